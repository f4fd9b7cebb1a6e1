-- Volumes, external locations, storage credentials, governed tags, tag policies, policy tests,
-- requests for access; denials; properties, tags and stamps; what changed at which epoch.

ALTER TABLE metastore ADD COLUMN owner TEXT REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE catalogs ADD COLUMN properties TEXT NOT NULL DEFAULT '{}';
ALTER TABLE catalogs ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE catalogs ADD COLUMN created_at_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE catalogs ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE catalogs ADD COLUMN altered_at_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE catalogs ADD COLUMN altered_by TEXT NOT NULL DEFAULT '';
UPDATE catalogs SET created_by = owner, altered_by = owner;

ALTER TABLE schemas ADD COLUMN properties TEXT NOT NULL DEFAULT '{}';
ALTER TABLE schemas ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE schemas ADD COLUMN created_at_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE schemas ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE schemas ADD COLUMN altered_at_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE schemas ADD COLUMN altered_by TEXT NOT NULL DEFAULT '';
UPDATE schemas SET created_by = owner, altered_by = owner;

ALTER TABLE tables ADD COLUMN view_calls TEXT;
ALTER TABLE tables ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE tables ADD COLUMN altered_at_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tables ADD COLUMN altered_by TEXT NOT NULL DEFAULT '';
UPDATE tables SET altered_at_us = created_at_us, altered_by = created_by;

-- `returns` is the type of the one value, or empty where `returns_table` has columns.
ALTER TABLE functions ADD COLUMN returns_table TEXT;
ALTER TABLE functions ADD COLUMN calls TEXT NOT NULL DEFAULT '[]';
ALTER TABLE functions ADD COLUMN created_at_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE functions ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE functions ADD COLUMN altered_at_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE functions ADD COLUMN altered_by TEXT NOT NULL DEFAULT '';
UPDATE functions SET created_by = owner, altered_by = owner;

CREATE TABLE volumes (
    id TEXT PRIMARY KEY NOT NULL,
    schema_id TEXT NOT NULL REFERENCES schemas (id) DEFERRABLE INITIALLY DEFERRED,
    name TEXT NOT NULL,
    owner TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    kind TEXT NOT NULL CHECK (kind IN ('MANAGED', 'EXTERNAL')),
    location TEXT NOT NULL,
    comment TEXT,
    tags TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    altered_at_us BIGINT NOT NULL,
    altered_by TEXT NOT NULL,
    UNIQUE (schema_id, name)
);

CREATE TABLE storage_credentials (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    comment TEXT,
    created_at_us BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    altered_at_us BIGINT NOT NULL,
    altered_by TEXT NOT NULL
);

CREATE TABLE external_locations (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    credential_id TEXT REFERENCES storage_credentials (id) DEFERRABLE INITIALLY DEFERRED,
    owner TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    comment TEXT,
    created_at_us BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    altered_at_us BIGINT NOT NULL,
    altered_by TEXT NOT NULL
);

CREATE TABLE governed_tags (
    id TEXT PRIMARY KEY NOT NULL,
    tag_key TEXT NOT NULL UNIQUE,
    tag_values TEXT NOT NULL,
    owner TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    comment TEXT,
    created_at_us BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    altered_at_us BIGINT NOT NULL,
    altered_by TEXT NOT NULL
);

-- `definition` is JSON: rule, function, audience, conditions, arguments, composition. `scope_id` is
-- empty for the metastore.
CREATE TABLE tag_policies (
    id TEXT PRIMARY KEY NOT NULL,
    scope_kind TEXT NOT NULL CHECK (scope_kind IN ('METASTORE', 'CATALOG', 'SCHEMA', 'TABLE')),
    scope_id TEXT NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    comment TEXT,
    created_at_us BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    altered_at_us BIGINT NOT NULL,
    altered_by TEXT NOT NULL,
    UNIQUE (scope_kind, scope_id, name)
);

CREATE TABLE policy_tests (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    as_user TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    query TEXT NOT NULL,
    expectation TEXT NOT NULL,
    owner TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    comment TEXT,
    created_at_us BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    altered_at_us BIGINT NOT NULL,
    altered_by TEXT NOT NULL
);

CREATE TABLE access_requests (
    id TEXT PRIMARY KEY NOT NULL,
    requested_at_us BIGINT NOT NULL,
    principal_id TEXT NOT NULL,
    securable_kind TEXT NOT NULL,
    securable_id TEXT NOT NULL,
    securable_name TEXT NOT NULL,
    privileges TEXT NOT NULL,
    reason TEXT
);

-- `securable_id` is empty for the metastore.
CREATE TABLE grants_next (
    securable_kind TEXT NOT NULL CHECK (securable_kind IN ('METASTORE', 'CATALOG', 'SCHEMA', 'TABLE', 'FUNCTION',
        'VOLUME', 'EXTERNAL_LOCATION', 'STORAGE_CREDENTIAL', 'GOVERNED_TAG')),
    securable_id TEXT NOT NULL,
    principal_id TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    privilege TEXT NOT NULL,
    effect TEXT NOT NULL CHECK (effect IN ('ALLOW', 'DENY')),
    PRIMARY KEY (securable_kind, securable_id, principal_id, privilege, effect)
);
INSERT INTO grants_next SELECT securable_kind, securable_id, principal_id, privilege, 'ALLOW' FROM grants;
-- Deferred checks of these rows would stand in the way of what follows.
SET CONSTRAINTS ALL IMMEDIATE;
DROP TABLE grants;
ALTER TABLE grants_next RENAME TO grants;

CREATE INDEX grants_by_securable ON grants (securable_id);

-- What each commit touched, so that a reader who knows an earlier epoch loads that much and no more.
-- `key` is an id; of GRANTS a securable's kind and id with a colon between; of MEMBERS a group.
CREATE TABLE touched (
    epoch BIGINT NOT NULL,
    kind TEXT NOT NULL,
    touched_key TEXT NOT NULL,
    PRIMARY KEY (epoch, kind, touched_key)
);

ALTER TABLE audit ADD COLUMN event_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN principal_name TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN origin TEXT NOT NULL DEFAULT '{}';
ALTER TABLE audit ADD COLUMN parameters TEXT NOT NULL DEFAULT '{}';
UPDATE audit SET principal_name = (SELECT name FROM principals WHERE principals.id = audit.principal_id)
    WHERE principal_id IN (SELECT id FROM principals);
