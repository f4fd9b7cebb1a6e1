-- Personal access tokens. What is kept of one is a digest, in hexadecimal.

CREATE TABLE access_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    principal_id TEXT NOT NULL REFERENCES principals (id) DEFERRABLE INITIALLY DEFERRED,
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    read_only INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at_us INTEGER NOT NULL
);
