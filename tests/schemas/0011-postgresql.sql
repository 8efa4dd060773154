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
ALTER TABLE files ADD COLUMN is_raw BOOLEAN;
COMMENT ON COLUMN files.is_raw IS 'as the sender says; null: nobody said';
UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001';
CREATE TABLE sites (
	uuid UUID NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	acronym VARCHAR(64), 
	source TEXT, 
	builtin BOOLEAN NOT NULL, 
	sort VARCHAR(255) NOT NULL, 
	words TEXT NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	nickname VARCHAR(255), 
	alternate_names JSON NOT NULL, 
	code VARCHAR(8), 
	homepage_url TEXT, 
	longitude DOUBLE PRECISION, 
	latitude DOUBLE PRECISION, 
	height DOUBLE PRECISION, 
	precision DOUBLE PRECISION, 
	country VARCHAR(255), 
	continent VARCHAR(64), 
	time_zone VARCHAR(64), 
	CONSTRAINT pk_sites PRIMARY KEY (uuid)
);
COMMENT ON COLUMN sites.source IS 'where it is published';
COMMENT ON COLUMN sites.builtin IS 'comes with the program';
COMMENT ON COLUMN sites.sort IS 'name, in small letters';
COMMENT ON COLUMN sites.words IS 'all names, folded, each on a line';
COMMENT ON COLUMN sites.code IS 'of the Minor Planet Center';
COMMENT ON COLUMN sites.longitude IS 'degrees, east positive; null: not on the Earth';
COMMENT ON COLUMN sites.latitude IS 'degrees, geodetic, WGS 84';
COMMENT ON COLUMN sites.height IS 'metres above the ellipsoid';
COMMENT ON COLUMN sites.precision IS 'metres; null: nobody said';
COMMENT ON COLUMN sites.time_zone IS 'of the IANA database';
CREATE TABLE telescopes (
	uuid UUID NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	acronym VARCHAR(64), 
	source TEXT, 
	builtin BOOLEAN NOT NULL, 
	sort VARCHAR(255) NOT NULL, 
	words TEXT NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	site UUID NOT NULL, 
	alias VARCHAR(255), 
	aperture DOUBLE PRECISION, 
	mounting VARCHAR(255), 
	optical_design VARCHAR(255), 
	CONSTRAINT pk_telescopes PRIMARY KEY (uuid), 
	CONSTRAINT fk_telescopes_site FOREIGN KEY(site) REFERENCES sites (uuid)
);
COMMENT ON COLUMN telescopes.source IS 'where it is published';
COMMENT ON COLUMN telescopes.builtin IS 'comes with the program';
COMMENT ON COLUMN telescopes.sort IS 'name, in small letters';
COMMENT ON COLUMN telescopes.words IS 'all names, folded, each on a line';
COMMENT ON COLUMN telescopes.aperture IS 'metres';
CREATE TABLE instruments (
	uuid UUID NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	acronym VARCHAR(64), 
	source TEXT, 
	builtin BOOLEAN NOT NULL, 
	sort VARCHAR(255) NOT NULL, 
	words TEXT NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	telescope UUID NOT NULL, 
	kind VARCHAR(255), 
	focus VARCHAR(255), 
	archive JSON, 
	CONSTRAINT pk_instruments PRIMARY KEY (uuid), 
	CONSTRAINT fk_instruments_telescope FOREIGN KEY(telescope) REFERENCES telescopes (uuid)
);
COMMENT ON COLUMN instruments.source IS 'where it is published';
COMMENT ON COLUMN instruments.builtin IS 'comes with the program';
COMMENT ON COLUMN instruments.sort IS 'name, in small letters';
COMMENT ON COLUMN instruments.words IS 'all names, folded, each on a line';
COMMENT ON COLUMN instruments.archive IS 'name and portal_url of where its data are kept';
CREATE INDEX ix_sites_sort ON sites (sort);
CREATE INDEX ix_sites_code ON sites (code);
CREATE INDEX ix_sites_latitude ON sites (latitude);
CREATE INDEX ix_telescopes_sort ON telescopes (sort);
CREATE INDEX ix_telescopes_site ON telescopes (site);
CREATE INDEX ix_instruments_sort ON instruments (sort);
CREATE INDEX ix_instruments_telescope ON instruments (telescope);
ALTER TABLE satellites ALTER COLUMN line_1 DROP NOT NULL;
COMMENT ON COLUMN satellites.line_1 IS 'null: its number has no place in two lines';
ALTER TABLE satellites ALTER COLUMN line_2 DROP NOT NULL;
ALTER TABLE satellites ADD COLUMN designator VARCHAR(16);
COMMENT ON COLUMN satellites.designator IS 'international, such as 1998-067A';
ALTER TABLE satellites ADD COLUMN words TEXT DEFAULT '' NOT NULL;
COMMENT ON COLUMN satellites.words IS 'name and designator, folded';
ALTER TABLE satellites ADD COLUMN elements JSON;
COMMENT ON COLUMN satellites.elements IS 'an OMM, CCSDS 502.0-B; null: they are in the lines';
ALTER TABLE satellites ALTER COLUMN words DROP DEFAULT;
UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002';
CREATE TABLE uploads (
	uuid UUID NOT NULL, 
	owner BIGINT NOT NULL, 
	dataset UUID NOT NULL, 
	path VARCHAR(1024) NOT NULL, 
	length BIGINT NOT NULL, 
	received BIGINT NOT NULL, 
	sha256 VARCHAR(64), 
	given JSON NOT NULL, 
	told TEXT NOT NULL, 
	replaces BOOLEAN NOT NULL, 
	concat VARCHAR(8), 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	ended_at TIMESTAMP WITH TIME ZONE, 
	file BIGINT, 
	is_new BOOLEAN, 
	refusal JSON, 
	CONSTRAINT pk_uploads PRIMARY KEY (uuid), 
	CONSTRAINT fk_uploads_owner FOREIGN KEY(owner) REFERENCES users (id), 
	CONSTRAINT fk_uploads_dataset FOREIGN KEY(dataset) REFERENCES datasets (uuid) ON DELETE CASCADE
);
COMMENT ON COLUMN uploads.path IS 'empty for a part of an upload';
COMMENT ON COLUMN uploads.received IS 'bytes that were flushed';
COMMENT ON COLUMN uploads.sha256 IS 'as the sender says; null: nobody said yet';
COMMENT ON COLUMN uploads.given IS 'what the file is to get, such as tags';
COMMENT ON COLUMN uploads.told IS 'as it was sent';
COMMENT ON COLUMN uploads.file IS 'pk of the file that it became';
COMMENT ON COLUMN uploads.refusal IS 'why it became none';
CREATE INDEX ix_uploads_owner ON uploads (owner);
CREATE INDEX ix_uploads_dataset ON uploads (dataset);
UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003';
CREATE TABLE places (
	path VARCHAR(2048) NOT NULL, 
	blob VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	changed_ns BIGINT NOT NULL, 
	CONSTRAINT pk_places PRIMARY KEY (path), 
	CONSTRAINT fk_places_blob FOREIGN KEY(blob) REFERENCES blobs (sha256) ON DELETE CASCADE
);
COMMENT ON COLUMN places.changed_ns IS 'as its file system says';
CREATE INDEX ix_places_blob ON places (blob);
CREATE INDEX ix_blobs_size ON blobs (size);
UPDATE alembic_version SET version_num='0005' WHERE alembic_version.version_num = '0004';
ALTER TABLE versions ADD COLUMN night DATE;
COMMENT ON COLUMN versions.night IS 'the evening on which it began';
ALTER TABLE versions ADD COLUMN airmass DOUBLE PRECISION;
ALTER TABLE versions ADD COLUMN observer VARCHAR(255);
ALTER TABLE versions ADD COLUMN programme VARCHAR(255);
ALTER TABLE versions ADD COLUMN product VARCHAR(16);
COMMENT ON COLUMN versions.product IS 'dataproduct_type of ObsCore';
ALTER TABLE versions ADD COLUMN doubts JSON DEFAULT '[]' NOT NULL;
COMMENT ON COLUMN versions.doubts IS 'what nobody can believe, as written';
ALTER TABLE versions ADD COLUMN rules VARCHAR(16);
COMMENT ON COLUMN versions.rules IS 'digest of the rules it was read by';
UPDATE alembic_version SET version_num='0006' WHERE alembic_version.version_num = '0005';
CREATE TABLE index_entries (
	file BIGINT NOT NULL, 
	dataset UUID NOT NULL, 
	start BIGINT NOT NULL, 
	cell BIGINT, 
	x DOUBLE PRECISION, 
	y DOUBLE PRECISION, 
	z DOUBLE PRECISION, 
	cosine DOUBLE PRECISION, 
	sine DOUBLE PRECISION, 
	texts JSONB NOT NULL, 
	numbers JSONB NOT NULL, 
	CONSTRAINT pk_index_entries PRIMARY KEY (file)
);
COMMENT ON COLUMN index_entries.start IS 'microseconds since 1970';
COMMENT ON COLUMN index_entries.cell IS 'of its position, as areas.py has it';
COMMENT ON COLUMN index_entries.cosine IS 'of the radius of its footprint; see areas.py';
CREATE INDEX ix_index_entries_sky ON index_entries (cell, start, file, x, y, z, cosine, sine);
CREATE INDEX ix_index_entries_start ON index_entries (start, file);
CREATE INDEX ix_index_entries_dataset ON index_entries (dataset, start, file);
CREATE TABLE index_terms (
	keyword VARCHAR(80) COLLATE "C" NOT NULL, 
	value VARCHAR(80) COLLATE "C" NOT NULL, 
	start BIGINT NOT NULL, 
	file BIGINT NOT NULL, 
	CONSTRAINT pk_index_terms PRIMARY KEY (keyword, value, start, file)
);
CREATE TABLE index_numbers (
	keyword VARCHAR(80) COLLATE "C" NOT NULL, 
	value DOUBLE PRECISION NOT NULL, 
	start BIGINT NOT NULL, 
	file BIGINT NOT NULL, 
	CONSTRAINT pk_index_numbers PRIMARY KEY (keyword, value, start, file)
);
ALTER TABLE versions ADD COLUMN footprint JSON;
COMMENT ON COLUMN versions.footprint IS 'null: no image with a WCS';
UPDATE alembic_version SET version_num='0007' WHERE alembic_version.version_num = '0006';
CREATE TABLE data_packages (
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
	licence VARCHAR(255) DEFAULT '' NOT NULL, 
	citation TEXT DEFAULT '' NOT NULL, 
	share VARCHAR(64), 
	links INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_data_packages PRIMARY KEY (uuid), 
	CONSTRAINT fk_data_packages_owner FOREIGN KEY(owner) REFERENCES users (id), 
	CONSTRAINT uq_data_packages_share UNIQUE (share)
);
COMMENT ON COLUMN data_packages.organisation IS 'null: the owner''s own';
COMMENT ON COLUMN data_packages.embargo_until IS 'public only after it';
COMMENT ON COLUMN data_packages.share IS 'SHA-256 of the link''s word; null: none';
COMMENT ON COLUMN data_packages.links IS 'made so far';
CREATE INDEX ix_data_packages_owner ON data_packages (owner);
CREATE TABLE package_contents (
	package UUID NOT NULL, 
	dataset UUID NOT NULL, 
	place INTEGER NOT NULL, 
	CONSTRAINT pk_package_contents PRIMARY KEY (package, dataset), 
	CONSTRAINT fk_package_contents_package FOREIGN KEY(package) REFERENCES data_packages (uuid) ON DELETE CASCADE, 
	CONSTRAINT fk_package_contents_dataset FOREIGN KEY(dataset) REFERENCES datasets (uuid) ON DELETE CASCADE
);
CREATE INDEX ix_package_contents_dataset ON package_contents (dataset);
UPDATE alembic_version SET version_num='0008' WHERE alembic_version.version_num = '0007';
ALTER TABLE index_entries ADD COLUMN patches JSON;
COMMENT ON COLUMN index_entries.patches IS 'polygons of its footprint; null: x, y, z are its position';
UPDATE alembic_version SET version_num='0009' WHERE alembic_version.version_num = '0008';
CREATE INDEX ix_blobs_lost ON blobs (sha256) WHERE state = 'lost';
UPDATE alembic_version SET version_num='0010' WHERE alembic_version.version_num = '0009';
ALTER TABLE uploads ADD COLUMN parts TEXT DEFAULT '' NOT NULL;
COMMENT ON COLUMN uploads.parts IS 'addresses of what it is made of, as they were sent';
UPDATE alembic_version SET version_num='0011' WHERE alembic_version.version_num = '0010';
INSERT INTO "blobs" ("sha256", "size", "state", "dying_since", "created_at") VALUES ('83c15629e104aafc581830c7896a01d14418617efa9492d7508b0c0b60d8f8fe', 5760, 'live', NULL, '2026-11-29 05:26:19.727983+00:00'::timestamptz);
INSERT INTO "index_entries" ("file", "dataset", "start", "cell", "x", "y", "z", "cosine", "sine", "texts", "numbers", "patches") VALUES (1, '4895e5609ead47d1baf188e7b7d23cfb'::uuid,  -4611686018427387904, NULL, NULL, NULL, NULL, 1.0, 0.0, '{"tag": [], "name": "kept.fits", "word": ["m", "31", "kept", "fits"], "OBJECT": "m 31", "called": ["m31"], "target": "m 31", "product": "image"}'::json, '{"size": 5760.0, "NAXIS": 2.0, "BITPIX": 16.0, "NAXIS1": 8.0, "NAXIS2": 8.0}'::json, NULL::json);
INSERT INTO "index_numbers" ("keyword", "value", "start", "file") VALUES ('size', 5760.0,  -4611686018427387904, 1);
INSERT INTO "index_numbers" ("keyword", "value", "start", "file") VALUES ('NAXIS2', 8.0,  -4611686018427387904, 1);
INSERT INTO "index_numbers" ("keyword", "value", "start", "file") VALUES ('NAXIS1', 8.0,  -4611686018427387904, 1);
INSERT INTO "index_numbers" ("keyword", "value", "start", "file") VALUES ('BITPIX', 16.0,  -4611686018427387904, 1);
INSERT INTO "index_numbers" ("keyword", "value", "start", "file") VALUES ('NAXIS', 2.0,  -4611686018427387904, 1);
INSERT INTO "index_terms" ("keyword", "value", "start", "file") VALUES ('target', 'm 31',  -4611686018427387904, 1);
INSERT INTO "index_terms" ("keyword", "value", "start", "file") VALUES ('product', 'image',  -4611686018427387904, 1);
INSERT INTO "index_terms" ("keyword", "value", "start", "file") VALUES ('name', 'kept.fits',  -4611686018427387904, 1);
INSERT INTO "index_terms" ("keyword", "value", "start", "file") VALUES ('word', 'm',  -4611686018427387904, 1);
INSERT INTO "index_terms" ("keyword", "value", "start", "file") VALUES ('word', '31',  -4611686018427387904, 1);
INSERT INTO "index_terms" ("keyword", "value", "start", "file") VALUES ('word', 'kept',  -4611686018427387904, 1);
INSERT INTO "index_terms" ("keyword", "value", "start", "file") VALUES ('word', 'fits',  -4611686018427387904, 1);
INSERT INTO "index_terms" ("keyword", "value", "start", "file") VALUES ('called', 'm31',  -4611686018427387904, 1);
INSERT INTO "index_terms" ("keyword", "value", "start", "file") VALUES ('OBJECT', 'm 31',  -4611686018427387904, 1);
INSERT INTO "satellites" ("norad", "name", "designator", "words", "line_1", "line_2", "elements", "epoch", "updated_at") VALUES (25544, 'ISS (ZARYA)', '1998-067A', '
iss(zarya)
1998-067a
', '1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927', '2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537', NULL::json, '2008-09-20 12:25:40.104192+00:00'::timestamptz, '2026-11-29 05:26:19.756814+00:00'::timestamptz);
INSERT INTO "sites" ("uuid", "name", "acronym", "source", "builtin", "sort", "words", "created_at", "updated_at", "nickname", "alternate_names", "code", "homepage_url", "longitude", "latitude", "height", "precision", "country", "continent", "time_zone") VALUES ('0b8e3a492c1c43188a5737b2152c8383'::uuid, 'Backyard', NULL, NULL, false, 'backyard', '
backyard
', '2026-11-29 05:26:19.743239+00:00'::timestamptz, '2026-11-29 05:26:19.743239+00:00'::timestamptz, NULL, '[]'::json::json, NULL, NULL, 2.3, 48.9, 35.0, NULL, 'France', NULL, 'Europe/Paris');
INSERT INTO "users" ("id", "username", "folded", "email", "password", "first_name", "last_name", "is_admin", "is_local_owner", "generation", "created_at", "updated_at") VALUES (1, 'ann', 'ann', 'ann@localhost', '$argon2id$v=19$m=65536,t=3,p=4$XpKlXKTqboQam5UFPiyxIA$0oy0FVosBGhUP/wHze6t9U8szDMn1rk0vsIzBpT2Upg', '', '', false, false, 1, '2026-11-29 05:26:19.707617+00:00'::timestamptz, '2026-11-29 05:26:19.707623+00:00'::timestamptz);
INSERT INTO "datasets" ("uuid", "owner", "organisation", "visibility", "embargo_until", "deleted_at", "created_at", "updated_at", "name", "description", "telescope", "instrument", "tags") VALUES ('4895e5609ead47d1baf188e7b7d23cfb'::uuid, 1, NULL, 'private', NULL, NULL, '2026-11-29 05:26:19.713953+00:00'::timestamptz, '2026-11-29 05:26:19.713953+00:00'::timestamptz, 'kept since 0011', '', NULL, NULL, '[]'::json::json);
INSERT INTO "keys" ("id", "owner", "kind", "name", "digest", "scopes", "limits", "created_at", "expires_at", "revoked_at", "last_used_at") VALUES (1, 1, 'access', '', '560eb500b508a58a5d08371a030dc76831aab7725958ebe14ef61c52ac4959ca', NULL::json, NULL::json, '2026-11-29 05:26:19.708814+00:00'::timestamptz, NULL, NULL, NULL);
INSERT INTO "keys" ("id", "owner", "kind", "name", "digest", "scopes", "limits", "created_at", "expires_at", "revoked_at", "last_used_at") VALUES (2, 1, 'upload', '', '8943bb9144bb0cbdbabc6204af8f53dbaa952f5d1e32d2e59e091e04cd3e4161', '["datasets:create", "fitsfiles:create", "fitsfiles:update"]'::json::json, NULL::json, '2026-11-29 05:26:19.710011+00:00'::timestamptz, NULL, NULL, NULL);
INSERT INTO "keys" ("id", "owner", "kind", "name", "digest", "scopes", "limits", "created_at", "expires_at", "revoked_at", "last_used_at") VALUES (3, 1, 'token', '', 'a2c488e4f2c06a2e2096d7e4c69996df1fe0b40b41d01a6ade0f04a30a4eaf83', NULL::json, NULL::json, '2026-11-29 05:26:19.710452+00:00'::timestamptz, '2026-11-30 05:26:19.710454+00:00'::timestamptz, NULL, NULL);
INSERT INTO "telescopes" ("uuid", "name", "acronym", "source", "builtin", "sort", "words", "created_at", "updated_at", "site", "alias", "aperture", "mounting", "optical_design") VALUES ('529aec38c4f44652a24eba7ac69a4d8e'::uuid, 'C8', NULL, NULL, false, 'c8', '
c8
', '2026-11-29 05:26:19.750968+00:00'::timestamptz, '2026-11-29 05:26:19.750968+00:00'::timestamptz, '0b8e3a492c1c43188a5737b2152c8383'::uuid, NULL, NULL, NULL, NULL);
INSERT INTO "files" ("pk", "owner", "deleted_at", "created_at", "updated_at", "dataset", "path", "current", "tags", "is_raw") VALUES (1, 1, NULL, '2026-11-29 05:26:19.729010+00:00'::timestamptz, '2026-11-29 05:26:19.729010+00:00'::timestamptz, '4895e5609ead47d1baf188e7b7d23cfb'::uuid, 'kept.fits', 1, '[]'::json::json, NULL);
INSERT INTO "versions" ("file", "n", "blob", "created_at", "packing", "content_size", "content_sha256", "target", "ra_deg", "dec_deg", "position_source", "footprint", "start", "exposure_s", "filter", "instrument", "telescope", "kind", "night", "airmass", "observer", "programme", "product", "doubts", "rules", "hdus", "problems") VALUES (1, 1, '83c15629e104aafc581830c7896a01d14418617efa9492d7508b0c0b60d8f8fe', '2026-11-29 05:26:19.729939+00:00'::timestamptz, NULL, 5760, '83c15629e104aafc581830c7896a01d14418617efa9492d7508b0c0b60d8f8fe', 'M 31', NULL, NULL, NULL, NULL::json, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'image', '[]'::json::json, 'e76b5248799815c0', '[{"index": 0, "name": "PRIMARY", "data_type": "img", "shape": [8, 8], "compression": null}]'::json::json, '[]'::json::json);
INSERT INTO "headers" ("file", "n", "hdu", "cards") VALUES (1, 1, 0, 'SIMPLE  =                    T / conforms to FITS standard                      BITPIX  =                   16 / array data type                                NAXIS   =                    2 / number of array dimensions                     NAXIS1  =                    8                                                  NAXIS2  =                    8                                                  EXTEND  =                    T                                                  OBJECT  = ''M 31    ''                                                            ');
