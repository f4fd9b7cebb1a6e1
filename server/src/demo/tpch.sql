-- The catalog tpch: the eight tables of the TPC-H benchmark.
CREATE CATALOG IF NOT EXISTS tpch COMMENT 'TPC-H, with customers masked and orders filtered';
CREATE SCHEMA IF NOT EXISTS tpch.sf01 COMMENT 'scale factor 0.1';

CREATE TABLE IF NOT EXISTS tpch.sf01.region (r_regionkey BIGINT, r_name STRING, r_comment STRING);
CREATE TABLE IF NOT EXISTS tpch.sf01.nation (
  n_nationkey BIGINT, n_name STRING, n_regionkey BIGINT, n_comment STRING);
CREATE TABLE IF NOT EXISTS tpch.sf01.supplier (
  s_suppkey BIGINT, s_name STRING, s_address STRING, s_nationkey BIGINT, s_phone STRING,
  s_acctbal DECIMAL(15,2), s_comment STRING);
CREATE TABLE IF NOT EXISTS tpch.sf01.customer (
  c_custkey BIGINT, c_name STRING, c_address STRING, c_nationkey BIGINT, c_phone STRING,
  c_acctbal DECIMAL(15,2), c_mktsegment STRING, c_comment STRING);
CREATE TABLE IF NOT EXISTS tpch.sf01.part (
  p_partkey BIGINT, p_name STRING, p_mfgr STRING, p_brand STRING, p_type STRING, p_size INT,
  p_container STRING, p_retailprice DECIMAL(15,2), p_comment STRING);
CREATE TABLE IF NOT EXISTS tpch.sf01.partsupp (
  ps_partkey BIGINT, ps_suppkey BIGINT, ps_availqty INT, ps_supplycost DECIMAL(15,2), ps_comment STRING);
CREATE TABLE IF NOT EXISTS tpch.sf01.orders (
  o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus STRING, o_totalprice DECIMAL(15,2), o_orderdate DATE,
  o_orderpriority STRING, o_clerk STRING, o_shippriority INT, o_comment STRING);
CREATE TABLE IF NOT EXISTS tpch.sf01.lineitem (
  l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INT, l_quantity DECIMAL(15,2),
  l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2), l_tax DECIMAL(15,2), l_returnflag STRING,
  l_linestatus STRING, l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE, l_shipinstruct STRING,
  l_shipmode STRING, l_comment STRING);

-- A row filter by a column: orders before 1996 are for auditors. Files of older orders are not even opened.
CREATE OR REPLACE FUNCTION tpch.sf01.recent_orders(ordered DATE) RETURNS BOOLEAN
  RETURN is_account_group_member('auditors') OR ordered >= DATE '1996-01-01';
-- A constant.
CREATE OR REPLACE FUNCTION tpch.sf01.redacted(value STRING) RETURNS STRING
  RETURN '(redacted)';
-- A hash: nobody reads the name, and it still groups and joins.
CREATE OR REPLACE FUNCTION tpch.sf01.pseudonym(value STRING) RETURNS STRING
  RETURN CASE WHEN is_account_group_member('auditors') THEN value
              ELSE concat('customer ', left(sha2(value, 256), 8)) END;
-- A part: the country code and the last four digits.
CREATE OR REPLACE FUNCTION tpch.sf01.mask_phone(phone STRING) RETURNS STRING
  RETURN CASE WHEN is_account_group_member('auditors') THEN phone
              ELSE concat(left(phone, 2), '-***-***-', right(phone, 4)) END;
-- By group: a value or none.
CREATE OR REPLACE FUNCTION tpch.sf01.auditors_only(amount DECIMAL(15,2)) RETURNS DECIMAL(15,2)
  RETURN CASE WHEN is_account_group_member('auditors') THEN amount END;

ALTER TABLE tpch.sf01.orders SET ROW FILTER tpch.sf01.recent_orders ON (o_orderdate);
ALTER TABLE tpch.sf01.customer ALTER COLUMN c_name SET MASK tpch.sf01.pseudonym;
ALTER TABLE tpch.sf01.customer ALTER COLUMN c_address SET MASK tpch.sf01.redacted;
ALTER TABLE tpch.sf01.customer ALTER COLUMN c_phone SET MASK tpch.sf01.mask_phone;
ALTER TABLE tpch.sf01.customer ALTER COLUMN c_acctbal SET MASK tpch.sf01.auditors_only;
