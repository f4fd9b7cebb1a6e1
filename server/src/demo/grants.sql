-- Who may come in. Last of all, so that nobody sees a table before its policies are there.
GRANT USE CATALOG ON CATALOG hr TO `staff`;
GRANT USE SCHEMA ON SCHEMA hr.people TO `staff`;
GRANT SELECT ON TABLE hr.people.employees TO `staff`;
GRANT SELECT ON TABLE hr.people.salary_bands TO `staff`;
GRANT SELECT ON TABLE hr.people.offices TO `staff`;
GRANT SELECT ON VIEW hr.people.my_team TO `staff`;
-- carol may know that tpch exists, and no more.
GRANT BROWSE ON CATALOG tpch TO `staff`;
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG tpch TO `analysts`;
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG tpch TO `auditors`;
-- The mark of a complete sample: a start that finds it changes nothing.
ALTER TABLE hr.people.offices SET TBLPROPERTIES ('weir.demo' = 'complete');
