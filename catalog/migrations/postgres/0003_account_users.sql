-- The group that contains everybody, for stores that were made before there was one. An empty store gets it with
-- its first administrator. A principal who has the name already keeps it.

UPDATE metastore SET epoch = epoch + 1
    WHERE EXISTS (SELECT 1 FROM principals) AND NOT EXISTS (SELECT 1 FROM principals WHERE name = 'account users');

INSERT INTO principals (id, name, kind, disabled, account_admin, may_act_for_users)
    SELECT gen_random_uuid()::text,
        'account users', 'GROUP', FALSE, FALSE, FALSE
    WHERE EXISTS (SELECT 1 FROM principals) AND NOT EXISTS (SELECT 1 FROM principals WHERE name = 'account users');

INSERT INTO touched (epoch, kind, touched_key)
    SELECT metastore.epoch, 'PRINCIPAL', principals.id FROM metastore, principals
    WHERE principals.name = 'account users' AND principals.kind = 'GROUP'
    ON CONFLICT (epoch, kind, touched_key) DO NOTHING;
