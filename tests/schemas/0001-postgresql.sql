CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE blobs (
	sha256 VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	state VARCHAR(8) DEFAULT 'live' NOT NULL, 
	dying_since TIMESTAMP WITH TIME ZONE, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_blobs PRIMARY KEY (sha256)
);
CREATE TABLE options (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_options PRIMARY KEY (name)
);
CREATE TABLE satellites (
	norad INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	line_1 VARCHAR(69) NOT NULL, 
	line_2 VARCHAR(69) NOT NULL, 
	epoch TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_satellites PRIMARY KEY (norad)
);
CREATE TABLE users (
	id BIGSERIAL NOT NULL, 
	username VARCHAR(150) NOT NULL, 
	folded VARCHAR(150) NOT NULL, 
	email VARCHAR(254), 
	password VARCHAR(255), 
	first_name VARCHAR(150) DEFAULT '' NOT NULL, 
	last_name VARCHAR(150) DEFAULT '' NOT NULL, 
	is_admin BOOLEAN DEFAULT false NOT NULL, 
	is_local_owner BOOLEAN DEFAULT false NOT NULL, 
	generation INTEGER DEFAULT '1' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_email UNIQUE (email), 
	CONSTRAINT uq_users_folded UNIQUE (folded)
);
COMMENT ON COLUMN users.folded IS 'username, casefold';
COMMENT ON COLUMN users.email IS 'lower case';
COMMENT ON COLUMN users.password IS 'argon2; null: no password yet';
COMMENT ON COLUMN users.generation IS 'of the keys';
CREATE UNIQUE INDEX uq_users_local_owner ON users (is_local_owner) WHERE is_local_owner;
CREATE TABLE activities (
	pk BIGSERIAL NOT NULL, 
	owner BIGINT NOT NULL, 
	organisation BIGINT, 
	visibility VARCHAR(16) DEFAULT 'public' NOT NULL, 
	embargo_until TIMESTAMP WITH TIME ZONE, 
	deleted_at TIMESTAMP WITH TIME ZONE, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	date TIMESTAMP WITH TIME ZONE NOT NULL, 
	title VARCHAR(255) DEFAULT '' NOT NULL, 
	content TEXT DEFAULT '' NOT NULL, 
	observing_site UUID, 
	telescope UUID, 
	instrument UUID, 
	target_name VARCHAR(255), 
	ra_deg DOUBLE PRECISION, 
	dec_deg DOUBLE PRECISION, 
	institute VARCHAR(255), 
	collaboration VARCHAR(255), 
	CONSTRAINT pk_activities PRIMARY KEY (pk), 
	CONSTRAINT fk_activities_owner FOREIGN KEY(owner) REFERENCES users (id)
);
COMMENT ON COLUMN activities.organisation IS 'null: the owner''s own';
COMMENT ON COLUMN activities.embargo_until IS 'public only after it';
COMMENT ON COLUMN activities.institute IS 'the organisation''s name as it was given';
CREATE INDEX ix_activities_owner ON activities (owner);
CREATE TABLE datasets (
	uuid UUID NOT NULL, 
	owner BIGINT NOT NULL, 
	organisation BIGINT, 
	visibility VARCHAR(16) DEFAULT 'private' NOT NULL, 
	embargo_until TIMESTAMP WITH TIME ZONE, 
	deleted_at TIMESTAMP WITH TIME ZONE, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	description TEXT DEFAULT '' NOT NULL, 
	telescope UUID, 
	instrument UUID, 
	tags JSON NOT NULL, 
	CONSTRAINT pk_datasets PRIMARY KEY (uuid), 
	CONSTRAINT fk_datasets_owner FOREIGN KEY(owner) REFERENCES users (id)
);
COMMENT ON COLUMN datasets.organisation IS 'null: the owner''s own';
COMMENT ON COLUMN datasets.embargo_until IS 'public only after it';
CREATE INDEX ix_datasets_owner ON datasets (owner);
CREATE TABLE invitations (
	digest VARCHAR(64) NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	used_by BIGINT, 
	CONSTRAINT pk_invitations PRIMARY KEY (digest), 
	CONSTRAINT fk_invitations_used_by FOREIGN KEY(used_by) REFERENCES users (id)
);
COMMENT ON COLUMN invitations.digest IS 'SHA-256 of the code';
CREATE TABLE keys (
	id BIGSERIAL NOT NULL, 
	owner BIGINT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	name VARCHAR(150) DEFAULT '' NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	scopes JSON, 
	limits JSON, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE, 
	revoked_at TIMESTAMP WITH TIME ZONE, 
	last_used_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_keys PRIMARY KEY (id), 
	CONSTRAINT fk_keys_owner FOREIGN KEY(owner) REFERENCES users (id), 
	CONSTRAINT uq_keys_digest UNIQUE (digest)
);
COMMENT ON COLUMN keys.kind IS 'access upload token session once';
COMMENT ON COLUMN keys.digest IS 'SHA-256 of the key';
COMMENT ON COLUMN keys.scopes IS 'null: everything its owner may do';
CREATE INDEX ix_keys_owner ON keys (owner);
CREATE TABLE observing_runs (
	uuid UUID NOT NULL, 
	owner BIGINT NOT NULL, 
	organisation BIGINT, 
	visibility VARCHAR(16) DEFAULT 'private' NOT NULL, 
	embargo_until TIMESTAMP WITH TIME ZONE, 
	deleted_at TIMESTAMP WITH TIME ZONE, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	observing_site UUID, 
	journal TEXT DEFAULT '' NOT NULL, 
	tags JSON NOT NULL, 
	CONSTRAINT pk_observing_runs PRIMARY KEY (uuid), 
	CONSTRAINT fk_observing_runs_owner FOREIGN KEY(owner) REFERENCES users (id)
);
COMMENT ON COLUMN observing_runs.organisation IS 'null: the owner''s own';
COMMENT ON COLUMN observing_runs.embargo_until IS 'public only after it';
CREATE INDEX ix_observing_runs_owner ON observing_runs (owner);
CREATE TABLE files (
	pk BIGSERIAL NOT NULL, 
	owner BIGINT NOT NULL, 
	deleted_at TIMESTAMP WITH TIME ZONE, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	dataset UUID NOT NULL, 
	path VARCHAR(1024) NOT NULL, 
	current INTEGER NOT NULL, 
	tags JSON NOT NULL, 
	CONSTRAINT pk_files PRIMARY KEY (pk), 
	CONSTRAINT fk_files_dataset FOREIGN KEY(dataset) REFERENCES datasets (uuid), 
	CONSTRAINT fk_files_owner FOREIGN KEY(owner) REFERENCES users (id)
);
COMMENT ON COLUMN files.current IS 'n of its present version';
CREATE INDEX ix_files_owner ON files (owner);
CREATE UNIQUE INDEX uq_files_living_path ON files (dataset, path) WHERE deleted_at IS NULL;
CREATE TABLE night_logs (
	uuid UUID NOT NULL, 
	owner BIGINT NOT NULL, 
	organisation BIGINT, 
	visibility VARCHAR(16) DEFAULT 'private' NOT NULL, 
	embargo_until TIMESTAMP WITH TIME ZONE, 
	deleted_at TIMESTAMP WITH TIME ZONE, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	date DATE NOT NULL, 
	telescope UUID, 
	observing_run UUID, 
	journal TEXT DEFAULT '' NOT NULL, 
	tags JSON NOT NULL, 
	CONSTRAINT pk_night_logs PRIMARY KEY (uuid), 
	CONSTRAINT fk_night_logs_observing_run FOREIGN KEY(observing_run) REFERENCES observing_runs (uuid), 
	CONSTRAINT fk_night_logs_owner FOREIGN KEY(owner) REFERENCES users (id)
);
COMMENT ON COLUMN night_logs.organisation IS 'null: the owner''s own';
COMMENT ON COLUMN night_logs.embargo_until IS 'public only after it';
COMMENT ON COLUMN night_logs.date IS 'local date of the evening';
CREATE INDEX ix_night_logs_observing_run ON night_logs (observing_run);
CREATE INDEX ix_night_logs_owner ON night_logs (owner);
CREATE TABLE versions (
	file BIGINT NOT NULL, 
	n INTEGER NOT NULL, 
	blob VARCHAR(64) NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	packing VARCHAR(8), 
	content_size BIGINT, 
	content_sha256 VARCHAR(64), 
	target VARCHAR(255), 
	ra_deg DOUBLE PRECISION, 
	dec_deg DOUBLE PRECISION, 
	position_source VARCHAR(16), 
	start TIMESTAMP WITH TIME ZONE, 
	exposure_s DOUBLE PRECISION, 
	filter VARCHAR(255), 
	instrument VARCHAR(255), 
	telescope VARCHAR(255), 
	kind VARCHAR(32), 
	hdus JSON NOT NULL, 
	problems JSON NOT NULL, 
	CONSTRAINT pk_versions PRIMARY KEY (file, n), 
	CONSTRAINT fk_versions_blob FOREIGN KEY(blob) REFERENCES blobs (sha256), 
	CONSTRAINT fk_versions_file FOREIGN KEY(file) REFERENCES files (pk)
);
COMMENT ON COLUMN versions.packing IS 'null: sent as plain FITS';
COMMENT ON COLUMN versions.hdus IS 'what each HDU is, without its header';
CREATE INDEX ix_versions_blob ON versions (blob);
CREATE TABLE headers (
	file BIGINT NOT NULL, 
	n INTEGER NOT NULL, 
	hdu INTEGER NOT NULL, 
	cards TEXT NOT NULL, 
	CONSTRAINT pk_headers PRIMARY KEY (file, n, hdu), 
	CONSTRAINT fk_headers_file_n FOREIGN KEY(file, n) REFERENCES versions (file, n)
);
COMMENT ON COLUMN headers.cards IS '80 characters each, without END';
INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING alembic_version.version_num;
INSERT INTO "blobs" ("sha256", "size", "state", "dying_since", "created_at") VALUES ('83c15629e104aafc581830c7896a01d14418617efa9492d7508b0c0b60d8f8fe', 5760, 'live', NULL, '2026-11-22 11:39:01.008828+00:00'::timestamptz);
INSERT INTO "users" ("id", "username", "folded", "email", "password", "first_name", "last_name", "is_admin", "is_local_owner", "generation", "created_at", "updated_at") VALUES (1, 'ann', 'ann', 'ann@localhost', '$argon2id$v=19$m=65536,t=3,p=4$Zn3UhALHf/DbiA/8+K94EQ$7B+R9PsgHCcLHpx5iWPGEJ/TVaXcZ2yPhwll1PfMsmk', '', '', false, false, 1, '2026-11-22 11:39:00.907839+00:00'::timestamptz, '2026-11-22 11:39:00.907852+00:00'::timestamptz);
INSERT INTO "datasets" ("uuid", "owner", "organisation", "visibility", "embargo_until", "deleted_at", "created_at", "updated_at", "name", "description", "telescope", "instrument", "tags") VALUES ('14fb5acec5e14045a801f60a2d9dd4ee'::uuid, 1, NULL, 'private', NULL, NULL, '2026-11-22 11:39:00.943394+00:00'::timestamptz, '2026-11-22 11:39:00.943394+00:00'::timestamptz, 'kept since 0001', '', NULL, NULL, '[]'::json::json);
INSERT INTO "keys" ("id", "owner", "kind", "name", "digest", "scopes", "limits", "created_at", "expires_at", "revoked_at", "last_used_at") VALUES (1, 1, 'access', '', 'd649432c1c5b6ed850cc62080e800f795ca8799a6447e10f4bc613d69284c0e8', NULL::json, NULL::json, '2026-11-22 11:39:00.914613+00:00'::timestamptz, NULL, NULL, NULL);
INSERT INTO "keys" ("id", "owner", "kind", "name", "digest", "scopes", "limits", "created_at", "expires_at", "revoked_at", "last_used_at") VALUES (2, 1, 'upload', '', 'd7429c75d1f086031f53777ce24fc2105db00557f9bce18144a17b64aded0942', '["datasets:create", "fitsfiles:create", "fitsfiles:update"]'::json::json, NULL::json, '2026-11-22 11:39:00.922269+00:00'::timestamptz, NULL, NULL, NULL);
INSERT INTO "keys" ("id", "owner", "kind", "name", "digest", "scopes", "limits", "created_at", "expires_at", "revoked_at", "last_used_at") VALUES (3, 1, 'token', '', '947100f4d2c0cc29887dc5a6d74d0a7415134d856c9601eae9010076337b6174', NULL::json, NULL::json, '2026-11-22 11:39:00.923687+00:00'::timestamptz, '2026-11-23 11:39:00.923691+00:00'::timestamptz, NULL, NULL);
INSERT INTO "files" ("pk", "owner", "deleted_at", "created_at", "updated_at", "dataset", "path", "current", "tags") VALUES (1, 1, NULL, '2026-11-22 11:39:01.006098+00:00'::timestamptz, '2026-11-22 11:39:01.006098+00:00'::timestamptz, '14fb5acec5e14045a801f60a2d9dd4ee'::uuid, 'kept.fits', 1, '[]'::json::json);
INSERT INTO "versions" ("file", "n", "blob", "created_at", "packing", "content_size", "content_sha256", "target", "ra_deg", "dec_deg", "position_source", "start", "exposure_s", "filter", "instrument", "telescope", "kind", "hdus", "problems") VALUES (1, 1, '83c15629e104aafc581830c7896a01d14418617efa9492d7508b0c0b60d8f8fe', '2026-11-22 11:39:01.021901+00:00'::timestamptz, NULL, 5760, '83c15629e104aafc581830c7896a01d14418617efa9492d7508b0c0b60d8f8fe', 'M 31', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '[{"index": 0, "name": "PRIMARY", "data_type": "img", "shape": [8, 8], "compression": null}]'::json::json, '[]'::json::json);
INSERT INTO "headers" ("file", "n", "hdu", "cards") VALUES (1, 1, 0, 'SIMPLE  =                    T / conforms to FITS standard                      BITPIX  =                   16 / array data type                                NAXIS   =                    2 / number of array dimensions                     NAXIS1  =                    8                                                  NAXIS2  =                    8                                                  EXTEND  =                    T                                                  OBJECT  = ''M 31    ''                                                            ');
