-- A table with a column of every type that OData clients read, and rows at the edges of each: what the drivers of real clients expect
-- of these rows stands in their own languages beside this file.
CREATE TABLE kinds (
  id bigint PRIMARY KEY,
  flag boolean,
  small smallint,
  whole int,
  big bigint,
  exact numeric(20,4),
  single real,
  double double precision,
  label varchar(40),
  day date,
  clock time(6),
  moment timestamptz,
  bytes bytea,
  token uuid,
  state char(1),
  rights int,
  home_street text,
  home_town text
);
INSERT INTO kinds VALUES
  (1, true, 7, 70000, 5000000000, 1234567.8900, 1.5, 0.1, 'O''Hara & Söhne <ä> "q" \ 100%', '2024-02-29', '13:05:09.25',
   '2024-02-29 12:30:00.123456+02', '\x00ff10ab', '01234567-89ab-cdef-0123-456789abcdef', 'O', 5, 'Main Street 1', NULL),
  (2, false, -32768, -2147483648, 9223372036854775807, -99999999999.9999, 'NaN', '-Infinity', '', '0001-01-01', '00:00:00',
   '9999-12-31 23:59:59.999999Z', '', '00000000-0000-0000-0000-000000000000', 'C', 0, '', ''),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
-- As wide as the types are.
INSERT INTO kinds (id, whole, big, exact) VALUES (4, 4, -9223372036854775808, -999999999999999.9999);
-- One row for each client that writes, so that none waits for another.
INSERT INTO kinds (id, label) VALUES (10, 'to be changed'), (11, 'to be deleted'), (12, 'in a batch');
