-- The whole catalog: one row a thing, nested values as JSON text.
-- Foreign keys are deferred to the commit, so that the order of changes in a commit is free.

-- One row. `epoch` moves by one with every commit.
CREATE TABLE metastore (
    one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
    id TEXT NOT NULL,
    epoch BIGINT NOT NULL
);

CREATE TABLE principals (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('USER', 'SERVICE_PRINCIPAL', 'GROUP')),
    disabled BOOLEAN NOT NULL,
    account_admin BOOLEAN NOT NULL,
    may_act_for_users BOOLEAN NOT NULL
);

CREATE TABLE memberships (
    group_id TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    member_id TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (group_id, member_id)
);

CREATE TABLE passwords (
    principal_id TEXT PRIMARY KEY NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    hash TEXT NOT NULL
);

CREATE TABLE catalogs (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    comment TEXT
);

CREATE TABLE schemas (
    id TEXT PRIMARY KEY NOT NULL,
    catalog_id TEXT NOT NULL REFERENCES catalogs (id) DEFERRABLE INITIALLY DEFERRED,
    name TEXT NOT NULL,
    owner TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    comment TEXT,
    UNIQUE (catalog_id, name)
);

-- Tables and views. `location` is set for tables; `view_text`, `view_tests_identity` and
-- `view_reads` are set for views.
CREATE TABLE tables (
    id TEXT PRIMARY KEY NOT NULL,
    schema_id TEXT NOT NULL REFERENCES schemas (id) DEFERRABLE INITIALLY DEFERRED,
    name TEXT NOT NULL,
    owner TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    kind TEXT NOT NULL CHECK (kind IN ('MANAGED', 'EXTERNAL', 'VIEW')),
    location TEXT,
    view_text TEXT,
    view_tests_identity BOOLEAN,
    view_reads TEXT,
    columns TEXT NOT NULL,
    row_filter TEXT,
    masks TEXT NOT NULL,
    properties TEXT NOT NULL,
    comment TEXT,
    created_at_us BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (schema_id, name)
);

CREATE TABLE functions (
    id TEXT PRIMARY KEY NOT NULL,
    schema_id TEXT NOT NULL REFERENCES schemas (id) DEFERRABLE INITIALLY DEFERRED,
    name TEXT NOT NULL,
    owner TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    parameters TEXT NOT NULL,
    returns TEXT NOT NULL,
    body TEXT NOT NULL,
    reads TEXT NOT NULL,
    comment TEXT,
    UNIQUE (schema_id, name)
);

-- `securable_id` is empty for the metastore.
CREATE TABLE grants (
    securable_kind TEXT NOT NULL CHECK (securable_kind IN ('METASTORE', 'CATALOG', 'SCHEMA', 'TABLE', 'FUNCTION')),
    securable_id TEXT NOT NULL,
    principal_id TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    privilege TEXT NOT NULL,
    PRIMARY KEY (securable_kind, securable_id, principal_id, privilege)
);

-- Keys made once and read by every replica.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY NOT NULL,
    value BYTEA NOT NULL
);

CREATE TABLE audit (
    number BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    event_time_us BIGINT NOT NULL,
    principal_id TEXT,
    action TEXT NOT NULL,
    securable TEXT NOT NULL,
    answer TEXT NOT NULL,
    because TEXT NOT NULL
);
