-- The people of the sample warehouse and the groups they are in. Groups may be members of groups.
CREATE USER IF NOT EXISTS `alice`;
CREATE USER IF NOT EXISTS `bob`;
CREATE USER IF NOT EXISTS `carol`;
CREATE GROUP IF NOT EXISTS `hr`;
CREATE GROUP IF NOT EXISTS `auditors`;
CREATE GROUP IF NOT EXISTS `analysts`;
CREATE GROUP IF NOT EXISTS `emea_payroll`;
CREATE GROUP IF NOT EXISTS `staff`;
ALTER GROUP `hr` ADD USER `alice`;
ALTER GROUP `auditors` ADD USER `alice`;
ALTER GROUP `analysts` ADD USER `bob`;
ALTER GROUP `emea_payroll` ADD USER `bob`;
ALTER GROUP `staff` ADD GROUP `hr`;
ALTER GROUP `staff` ADD GROUP `analysts`;
ALTER GROUP `staff` ADD USER `carol`;
