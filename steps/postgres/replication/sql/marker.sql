-- The marker table of one application database. No parameters; a second run changes
-- nothing. A row is a point in the history of the instance that wrote it; the instance is
-- part of the key, so that rows of the way forth and back never collide.
CREATE SCHEMA IF NOT EXISTS gitover;
REVOKE ALL ON SCHEMA gitover FROM PUBLIC;
CREATE TABLE IF NOT EXISTS gitover.marker (
    instance text NOT NULL,
    id       bigint NOT NULL,
    PRIMARY KEY (instance, id)
);
