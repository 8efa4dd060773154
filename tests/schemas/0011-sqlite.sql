BEGIN TRANSACTION;
CREATE TABLE activities (
	pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	owner INTEGER NOT NULL, 
	organisation INTEGER, 
	visibility VARCHAR(16) DEFAULT 'public' NOT NULL, 
	embargo_until DATETIME, 
	deleted_at DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	date DATETIME NOT NULL, 
	title VARCHAR(255) DEFAULT '' NOT NULL, 
	content TEXT DEFAULT '' NOT NULL, 
	observing_site CHAR(32), 
	telescope CHAR(32), 
	instrument CHAR(32), 
	target_name VARCHAR(255), 
	ra_deg DOUBLE, 
	dec_deg DOUBLE, 
	institute VARCHAR(255), 
	collaboration VARCHAR(255), 
	CONSTRAINT fk_activities_owner FOREIGN KEY(owner) REFERENCES users (id)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0011');
CREATE TABLE blobs (
	sha256 VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	state VARCHAR(8) DEFAULT 'live' NOT NULL, 
	dying_since DATETIME, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_blobs PRIMARY KEY (sha256)
);
INSERT INTO "blobs" VALUES('83c15629e104aafc581830c7896a01d14418617efa9492d7508b0c0b60d8f8fe',5760,'live',NULL,'2026-11-29 05:26:18.473013');
CREATE TABLE data_packages (
	uuid CHAR(32) NOT NULL, 
	owner INTEGER NOT NULL, 
	organisation INTEGER, 
	visibility VARCHAR(16) DEFAULT 'private' NOT NULL, 
	embargo_until DATETIME, 
	deleted_at DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
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
CREATE TABLE datasets (
	uuid CHAR(32) NOT NULL, 
	owner INTEGER NOT NULL, 
	organisation INTEGER, 
	visibility VARCHAR(16) DEFAULT 'private' NOT NULL, 
	embargo_until DATETIME, 
	deleted_at DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	description TEXT DEFAULT '' NOT NULL, 
	telescope CHAR(32), 
	instrument CHAR(32), 
	tags JSON NOT NULL, 
	CONSTRAINT pk_datasets PRIMARY KEY (uuid), 
	CONSTRAINT fk_datasets_owner FOREIGN KEY(owner) REFERENCES users (id)
);
INSERT INTO "datasets" VALUES('71f511bfb1184b4d93b3bf645d6ec98e',1,NULL,'private',NULL,NULL,'2026-11-29 05:26:18.281286','2026-11-29 05:26:18.281286','kept since 0011','',NULL,NULL,'[]');
CREATE TABLE files (
	pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	owner INTEGER NOT NULL, 
	deleted_at DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	dataset CHAR(32) NOT NULL, 
	path VARCHAR(1024) NOT NULL, 
	current INTEGER NOT NULL, 
	tags JSON NOT NULL, is_raw BOOLEAN, 
	CONSTRAINT fk_files_dataset FOREIGN KEY(dataset) REFERENCES datasets (uuid), 
	CONSTRAINT fk_files_owner FOREIGN KEY(owner) REFERENCES users (id)
);
INSERT INTO "files" VALUES(1,1,NULL,'2026-11-29 05:26:18.473901','2026-11-29 05:26:18.473901','71f511bfb1184b4d93b3bf645d6ec98e','kept.fits',1,'[]',NULL);
CREATE TABLE headers (
	file INTEGER NOT NULL, 
	n INTEGER NOT NULL, 
	hdu INTEGER NOT NULL, 
	cards TEXT NOT NULL, 
	CONSTRAINT pk_headers PRIMARY KEY (file, n, hdu), 
	CONSTRAINT fk_headers_file_n FOREIGN KEY(file, n) REFERENCES versions (file, n)
);
INSERT INTO "headers" VALUES(1,1,0,'SIMPLE  =                    T / conforms to FITS standard                      BITPIX  =                   16 / array data type                                NAXIS   =                    2 / number of array dimensions                     NAXIS1  =                    8                                                  NAXIS2  =                    8                                                  EXTEND  =                    T                                                  OBJECT  = ''M 31    ''                                                            ');
CREATE TABLE index_entries (
	file INTEGER NOT NULL, 
	dataset CHAR(32) NOT NULL, 
	start BIGINT NOT NULL, 
	cell BIGINT, 
	x DOUBLE, 
	y DOUBLE, 
	z DOUBLE, 
	cosine DOUBLE, 
	sine DOUBLE, 
	texts JSON NOT NULL, 
	numbers JSON NOT NULL, patches JSON, 
	CONSTRAINT pk_index_entries PRIMARY KEY (file)
);
INSERT INTO "index_entries" VALUES(1,'71f511bfb1184b4d93b3bf645d6ec98e',-4611686018427387904,NULL,NULL,NULL,NULL,1.0,0.0,'{"target": "m 31", "product": "image", "name": "kept.fits", "tag": [], "word": ["m", "31", "kept", "fits"], "called": ["m31"], "OBJECT": "m 31"}','{"size": 5760.0, "NAXIS2": 8.0, "NAXIS1": 8.0, "BITPIX": 16.0, "NAXIS": 2.0}',NULL);
CREATE TABLE index_numbers (
	keyword VARCHAR(80) NOT NULL, 
	value DOUBLE NOT NULL, 
	start BIGINT NOT NULL, 
	file INTEGER NOT NULL, 
	CONSTRAINT pk_index_numbers PRIMARY KEY (keyword, value, start, file)
)
 WITHOUT ROWID

;
INSERT INTO "index_numbers" VALUES('BITPIX',16.0,-4611686018427387904,1);
INSERT INTO "index_numbers" VALUES('NAXIS',2.0,-4611686018427387904,1);
INSERT INTO "index_numbers" VALUES('NAXIS1',8.0,-4611686018427387904,1);
INSERT INTO "index_numbers" VALUES('NAXIS2',8.0,-4611686018427387904,1);
INSERT INTO "index_numbers" VALUES('size',5760.0,-4611686018427387904,1);
CREATE TABLE index_terms (
	keyword VARCHAR(80) NOT NULL, 
	value VARCHAR(80) NOT NULL, 
	start BIGINT NOT NULL, 
	file INTEGER NOT NULL, 
	CONSTRAINT pk_index_terms PRIMARY KEY (keyword, value, start, file)
)
 WITHOUT ROWID

;
INSERT INTO "index_terms" VALUES('OBJECT','m 31',-4611686018427387904,1);
INSERT INTO "index_terms" VALUES('called','m31',-4611686018427387904,1);
INSERT INTO "index_terms" VALUES('name','kept.fits',-4611686018427387904,1);
INSERT INTO "index_terms" VALUES('product','image',-4611686018427387904,1);
INSERT INTO "index_terms" VALUES('target','m 31',-4611686018427387904,1);
INSERT INTO "index_terms" VALUES('word','31',-4611686018427387904,1);
INSERT INTO "index_terms" VALUES('word','fits',-4611686018427387904,1);
INSERT INTO "index_terms" VALUES('word','kept',-4611686018427387904,1);
INSERT INTO "index_terms" VALUES('word','m',-4611686018427387904,1);
CREATE TABLE instruments (
	uuid CHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	acronym VARCHAR(64), 
	source TEXT, 
	builtin BOOLEAN NOT NULL, 
	sort VARCHAR(255) NOT NULL, 
	words TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	telescope CHAR(32) NOT NULL, 
	kind VARCHAR(255), 
	focus VARCHAR(255), 
	archive JSON, 
	CONSTRAINT pk_instruments PRIMARY KEY (uuid), 
	CONSTRAINT fk_instruments_telescope FOREIGN KEY(telescope) REFERENCES telescopes (uuid)
);
CREATE TABLE invitations (
	digest VARCHAR(64) NOT NULL, 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME NOT NULL, 
	used_by INTEGER, 
	CONSTRAINT pk_invitations PRIMARY KEY (digest), 
	CONSTRAINT fk_invitations_used_by FOREIGN KEY(used_by) REFERENCES users (id)
);
CREATE TABLE keys (
	id INTEGER NOT NULL, 
	owner INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	name VARCHAR(150) DEFAULT '' NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	scopes JSON, 
	limits JSON, 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME, 
	revoked_at DATETIME, 
	last_used_at DATETIME, 
	CONSTRAINT pk_keys PRIMARY KEY (id), 
	CONSTRAINT fk_keys_owner FOREIGN KEY(owner) REFERENCES users (id), 
	CONSTRAINT uq_keys_digest UNIQUE (digest)
);
INSERT INTO "keys" VALUES(1,1,'access','','95b426c89753c1c5b765fe372b812d44368afb656dbce22ee41ae5cfd1640450','null',NULL,'2026-11-29 05:26:18.277281',NULL,NULL,NULL);
INSERT INTO "keys" VALUES(2,1,'upload','','80f0b1bd63c6fd86cc3103eec4e0074366175771a5c62ea054670bc1e218527d','["datasets:create", "fitsfiles:create", "fitsfiles:update"]',NULL,'2026-11-29 05:26:18.277779',NULL,NULL,NULL);
INSERT INTO "keys" VALUES(3,1,'token','','beee4e97f6bf05ef1d27a47a6d2cdc422827495ee068f8d4dd386a6f60d47c88',NULL,NULL,'2026-11-29 05:26:18.277955','2026-11-30 05:26:18.277956',NULL,NULL);
CREATE TABLE night_logs (
	uuid CHAR(32) NOT NULL, 
	owner INTEGER NOT NULL, 
	organisation INTEGER, 
	visibility VARCHAR(16) DEFAULT 'private' NOT NULL, 
	embargo_until DATETIME, 
	deleted_at DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	date DATE NOT NULL, 
	telescope CHAR(32), 
	observing_run CHAR(32), 
	journal TEXT DEFAULT '' NOT NULL, 
	tags JSON NOT NULL, 
	CONSTRAINT pk_night_logs PRIMARY KEY (uuid), 
	CONSTRAINT fk_night_logs_observing_run FOREIGN KEY(observing_run) REFERENCES observing_runs (uuid), 
	CONSTRAINT fk_night_logs_owner FOREIGN KEY(owner) REFERENCES users (id)
);
CREATE TABLE observing_runs (
	uuid CHAR(32) NOT NULL, 
	owner INTEGER NOT NULL, 
	organisation INTEGER, 
	visibility VARCHAR(16) DEFAULT 'private' NOT NULL, 
	embargo_until DATETIME, 
	deleted_at DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	observing_site CHAR(32), 
	journal TEXT DEFAULT '' NOT NULL, 
	tags JSON NOT NULL, 
	CONSTRAINT pk_observing_runs PRIMARY KEY (uuid), 
	CONSTRAINT fk_observing_runs_owner FOREIGN KEY(owner) REFERENCES users (id)
);
CREATE TABLE options (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_options PRIMARY KEY (name)
);
CREATE TABLE package_contents (
	package CHAR(32) NOT NULL, 
	dataset CHAR(32) NOT NULL, 
	place INTEGER NOT NULL, 
	CONSTRAINT pk_package_contents PRIMARY KEY (package, dataset), 
	CONSTRAINT fk_package_contents_package FOREIGN KEY(package) REFERENCES data_packages (uuid) ON DELETE CASCADE, 
	CONSTRAINT fk_package_contents_dataset FOREIGN KEY(dataset) REFERENCES datasets (uuid) ON DELETE CASCADE
);
CREATE TABLE places (
	path VARCHAR(2048) NOT NULL, 
	blob VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	changed_ns BIGINT NOT NULL, 
	CONSTRAINT pk_places PRIMARY KEY (path), 
	CONSTRAINT fk_places_blob FOREIGN KEY(blob) REFERENCES blobs (sha256) ON DELETE CASCADE
);
CREATE TABLE "satellites" (
	norad INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	line_1 VARCHAR(69), 
	line_2 VARCHAR(69), 
	epoch DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	designator VARCHAR(16), 
	words TEXT NOT NULL, 
	elements JSON, 
	CONSTRAINT pk_satellites PRIMARY KEY (norad)
);
INSERT INTO "satellites" VALUES(25544,'ISS (ZARYA)','1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927','2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537','2008-09-20 12:25:40.104192','2026-11-29 05:26:18.489970','1998-067A','
iss(zarya)
1998-067a
',NULL);
CREATE TABLE sites (
	uuid CHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	acronym VARCHAR(64), 
	source TEXT, 
	builtin BOOLEAN NOT NULL, 
	sort VARCHAR(255) NOT NULL, 
	words TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	nickname VARCHAR(255), 
	alternate_names JSON NOT NULL, 
	code VARCHAR(8), 
	homepage_url TEXT, 
	longitude DOUBLE, 
	latitude DOUBLE, 
	height DOUBLE, 
	precision DOUBLE, 
	country VARCHAR(255), 
	continent VARCHAR(64), 
	time_zone VARCHAR(64), 
	CONSTRAINT pk_sites PRIMARY KEY (uuid)
);
INSERT INTO "sites" VALUES('01ef286f0eab45bc95c9a085fd0fbc24','Backyard',NULL,NULL,0,'backyard','
backyard
','2026-11-29 05:26:18.477470','2026-11-29 05:26:18.477470',NULL,'[]',NULL,NULL,2.3,48.9,35.0,NULL,'France',NULL,'Europe/Paris');
CREATE TABLE telescopes (
	uuid CHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	acronym VARCHAR(64), 
	source TEXT, 
	builtin BOOLEAN NOT NULL, 
	sort VARCHAR(255) NOT NULL, 
	words TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	site CHAR(32) NOT NULL, 
	alias VARCHAR(255), 
	aperture DOUBLE, 
	mounting VARCHAR(255), 
	optical_design VARCHAR(255), 
	CONSTRAINT pk_telescopes PRIMARY KEY (uuid), 
	CONSTRAINT fk_telescopes_site FOREIGN KEY(site) REFERENCES sites (uuid)
);
INSERT INTO "telescopes" VALUES('3fbec38cc4304f01a52ea93d3a5a4749','C8',NULL,NULL,0,'c8','
c8
','2026-11-29 05:26:18.482752','2026-11-29 05:26:18.482752','01ef286f0eab45bc95c9a085fd0fbc24',NULL,NULL,NULL,NULL);
CREATE TABLE uploads (
	uuid CHAR(32) NOT NULL, 
	owner INTEGER NOT NULL, 
	dataset CHAR(32) NOT NULL, 
	path VARCHAR(1024) NOT NULL, 
	length BIGINT NOT NULL, 
	received BIGINT NOT NULL, 
	sha256 VARCHAR(64), 
	given JSON NOT NULL, 
	told TEXT NOT NULL, 
	replaces BOOLEAN NOT NULL, 
	concat VARCHAR(8), 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	file INTEGER, 
	is_new BOOLEAN, 
	refusal JSON, parts TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_uploads PRIMARY KEY (uuid), 
	CONSTRAINT fk_uploads_owner FOREIGN KEY(owner) REFERENCES users (id), 
	CONSTRAINT fk_uploads_dataset FOREIGN KEY(dataset) REFERENCES datasets (uuid) ON DELETE CASCADE
);
CREATE TABLE users (
	id INTEGER NOT NULL, 
	username VARCHAR(150) NOT NULL, 
	folded VARCHAR(150) NOT NULL, 
	email VARCHAR(254), 
	password VARCHAR(255), 
	first_name VARCHAR(150) DEFAULT '' NOT NULL, 
	last_name VARCHAR(150) DEFAULT '' NOT NULL, 
	is_admin BOOLEAN DEFAULT 0 NOT NULL, 
	is_local_owner BOOLEAN DEFAULT 0 NOT NULL, 
	generation INTEGER DEFAULT '1' NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_email UNIQUE (email), 
	CONSTRAINT uq_users_folded UNIQUE (folded)
);
INSERT INTO "users" VALUES(1,'ann','ann','ann@localhost','$argon2id$v=19$m=65536,t=3,p=4$PXcJGCcd6m+gUkRiKryPNg$LLSv8upIF0IMBC1zBQGFWOmymYEywrDxViWZgg9Yqi8','','',0,0,1,'2026-11-29 05:26:18.276359','2026-11-29 05:26:18.276364');
CREATE TABLE versions (
	file INTEGER NOT NULL, 
	n INTEGER NOT NULL, 
	blob VARCHAR(64) NOT NULL, 
	created_at DATETIME NOT NULL, 
	packing VARCHAR(8), 
	content_size BIGINT, 
	content_sha256 VARCHAR(64), 
	target VARCHAR(255), 
	ra_deg DOUBLE, 
	dec_deg DOUBLE, 
	position_source VARCHAR(16), 
	start DATETIME, 
	exposure_s DOUBLE, 
	filter VARCHAR(255), 
	instrument VARCHAR(255), 
	telescope VARCHAR(255), 
	kind VARCHAR(32), 
	hdus JSON NOT NULL, 
	problems JSON NOT NULL, night DATE, airmass DOUBLE, observer VARCHAR(255), programme VARCHAR(255), product VARCHAR(16), doubts JSON DEFAULT '[]' NOT NULL, rules VARCHAR(16), footprint JSON, 
	CONSTRAINT pk_versions PRIMARY KEY (file, n), 
	CONSTRAINT fk_versions_blob FOREIGN KEY(blob) REFERENCES blobs (sha256), 
	CONSTRAINT fk_versions_file FOREIGN KEY(file) REFERENCES files (pk)
);
INSERT INTO "versions" VALUES(1,1,'83c15629e104aafc581830c7896a01d14418617efa9492d7508b0c0b60d8f8fe','2026-11-29 05:26:18.474450',NULL,5760,'83c15629e104aafc581830c7896a01d14418617efa9492d7508b0c0b60d8f8fe','M 31',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[{"index": 0, "name": "PRIMARY", "data_type": "img", "shape": [8, 8], "compression": null}]','[]',NULL,NULL,NULL,NULL,'image','[]','e76b5248799815c0',NULL);
CREATE UNIQUE INDEX uq_users_local_owner ON users (is_local_owner) WHERE is_local_owner;
CREATE INDEX ix_activities_owner ON activities (owner);
CREATE INDEX ix_datasets_owner ON datasets (owner);
CREATE INDEX ix_keys_owner ON keys (owner);
CREATE INDEX ix_observing_runs_owner ON observing_runs (owner);
CREATE INDEX ix_files_owner ON files (owner);
CREATE UNIQUE INDEX uq_files_living_path ON files (dataset, path) WHERE deleted_at IS NULL;
CREATE INDEX ix_night_logs_observing_run ON night_logs (observing_run);
CREATE INDEX ix_night_logs_owner ON night_logs (owner);
CREATE INDEX ix_versions_blob ON versions (blob);
CREATE INDEX ix_sites_sort ON sites (sort);
CREATE INDEX ix_sites_code ON sites (code);
CREATE INDEX ix_sites_latitude ON sites (latitude);
CREATE INDEX ix_telescopes_sort ON telescopes (sort);
CREATE INDEX ix_telescopes_site ON telescopes (site);
CREATE INDEX ix_instruments_sort ON instruments (sort);
CREATE INDEX ix_instruments_telescope ON instruments (telescope);
CREATE INDEX ix_uploads_owner ON uploads (owner);
CREATE INDEX ix_uploads_dataset ON uploads (dataset);
CREATE INDEX ix_places_blob ON places (blob);
CREATE INDEX ix_blobs_size ON blobs (size);
CREATE INDEX ix_index_entries_sky ON index_entries (cell, start, file, x, y, z, cosine, sine);
CREATE INDEX ix_index_entries_start ON index_entries (start, file);
CREATE INDEX ix_index_entries_dataset ON index_entries (dataset, start, file);
CREATE INDEX ix_data_packages_owner ON data_packages (owner);
CREATE INDEX ix_package_contents_dataset ON package_contents (dataset);
CREATE INDEX ix_blobs_lost ON blobs (sha256) WHERE state = 'lost';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('files',1);
COMMIT;
