-- The catalog hr: tables, and the functions that decide who sees which rows and values of them.
CREATE CATALOG IF NOT EXISTS hr COMMENT 'people: rows by region, e-mails and salaries masked';
CREATE SCHEMA IF NOT EXISTS hr.people;

CREATE TABLE IF NOT EXISTS hr.people.employees (
  employee_id BIGINT, name STRING, email STRING, region STRING, department STRING,
  salary DECIMAL(10,2), manager STRING, hired DATE
) PARTITIONED BY (region) COMMENT 'one row a person';
CREATE TABLE IF NOT EXISTS hr.people.region_access (user_name STRING, region STRING)
  COMMENT 'who sees which region; only policies read it';
CREATE TABLE IF NOT EXISTS hr.people.salary_bands (
  department STRING, lowest DECIMAL(10,2), highest DECIMAL(10,2)
) COMMENT 'for the group hr alone';
CREATE TABLE IF NOT EXISTS hr.people.offices (office_id BIGINT, city STRING, country STRING, region STRING)
  COMMENT 'no policy: everyone with SELECT sees all of it';

-- A row filter by group.
CREATE OR REPLACE FUNCTION hr.people.hr_only() RETURNS BOOLEAN
  RETURN is_account_group_member('hr');
-- A row filter by a mapping table. Its readers need no grant on that table: the function's owner has one.
CREATE OR REPLACE FUNCTION hr.people.may_see_region(employee_region STRING) RETURNS BOOLEAN
  RETURN is_account_group_member('hr') OR EXISTS (
    SELECT 1 FROM hr.people.region_access AS access
    WHERE access.user_name = session_user() AND access.region = employee_region);
-- A mask that shows a part: the first letter and the domain.
CREATE OR REPLACE FUNCTION hr.people.mask_email(email STRING) RETURNS STRING
  RETURN CASE WHEN is_account_group_member('hr') THEN email
              ELSE concat(left(email, 1), '***@', split_part(email, '@', 2)) END;
-- A mask that looks at another column: payroll clerks see the salaries of their own region.
CREATE OR REPLACE FUNCTION hr.people.mask_salary(salary DECIMAL(10,2), employee_region STRING) RETURNS DECIMAL(10,2)
  RETURN CASE WHEN is_account_group_member('hr') THEN salary
              WHEN is_account_group_member(concat(lower(employee_region), '_payroll')) THEN salary END;

ALTER TABLE hr.people.employees SET ROW FILTER hr.people.may_see_region ON (region);
ALTER TABLE hr.people.employees ALTER COLUMN email SET MASK hr.people.mask_email;
ALTER TABLE hr.people.employees ALTER COLUMN salary SET MASK hr.people.mask_salary USING COLUMNS (region);
ALTER TABLE hr.people.salary_bands SET ROW FILTER hr.people.hr_only ON ();

-- A view whose text asks who asks: everyone's own reports, all people for hr.
CREATE OR REPLACE VIEW hr.people.my_team COMMENT 'the people who report to the one who asks' AS
  SELECT employee_id, name, email, region, department, hired FROM hr.people.employees
  WHERE manager = current_user() OR is_account_group_member('hr');
