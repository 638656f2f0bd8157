"""Triggers that keep history as it was written, and the views that read it."""

from sqlalchemy import Connection, column, table

# Every key by which `INSERT OR REPLACE` could push out a row: SQLite fires no DELETE trigger for that
# (https://www.sqlite.org/lang_conflict.html) unless recursive_triggers is on, which another program may not set.
_APPEND_ONLY = {
    "proposal": ["old.seq = NEW.seq"],
    "decision": ["old.seq = NEW.seq", "old.reader = NEW.reader AND old.token = NEW.token AND NEW.token <> ''"],
    "subject": ["old.position = NEW.position", "old.id = NEW.id"],
    "model_version": [
        "old.id = NEW.id",
        "old.name = NEW.name AND old.version = NEW.version"
        " AND old.fingerprint = NEW.fingerprint AND old.licence = NEW.licence",
    ],
}

_CHAIN = """
CREATE TRIGGER decision_follows BEFORE INSERT ON decision
WHEN NEW.after_seq <> (SELECT coalesce(max(seq), 0) FROM decision WHERE reader = NEW.reader AND subject = NEW.subject)
BEGIN SELECT RAISE(ABORT, 'decision does not follow the last one of its reader'); END"""

_LAST_DECISION = """
CREATE VIEW last_decision AS
SELECT d.* FROM decision AS d
WHERE d.seq = (SELECT max(x.seq) FROM decision AS x WHERE x.reader = d.reader AND x.subject = d.subject)"""

_CURRENT_SUBJECT = """
CREATE VIEW current_subject AS
SELECT r.name AS reader, s.id AS subject, s.kind, s.study_uid, s.position,
       EXISTS (SELECT 1 FROM seen AS e WHERE e.reader = r.name AND e.subject = s.id) AS seen,
       p.seq AS proposal_seq, p.payload AS proposed, p.audience, p.created AS proposed_at,
       m.name AS model_name, m.version AS model_version, m.fingerprint, m.licence,
       d.seq AS decision_seq, d.act, d.payload AS decided, d.reason, d.note, d.seconds, d.after_seq, d.token,
       d.app_version, d.created AS decided_at
FROM reader AS r CROSS JOIN subject AS s
LEFT JOIN proposal AS p
  ON p.seq = (SELECT max(x.seq) FROM proposal AS x WHERE x.subject = s.id AND x.audience IN ('', r.name))
LEFT JOIN model_version AS m ON m.id = p.model_id
LEFT JOIN decision AS d
  ON d.seq = (SELECT max(y.seq) FROM decision AS y WHERE y.reader = r.name AND y.subject = s.id)
WHERE p.seq IS NOT NULL OR d.seq IS NOT NULL"""

_CORRECTION = """
CREATE VIEW correction AS
SELECT d.seq, d.subject, s.kind, s.study_uid, coalesce(i.series_uid, '') AS series_uid,
       coalesce(i.pixels_sha256, '') AS pixels_sha256, p.payload AS proposed,
       m.name AS model_name, m.version AS model_version, m.fingerprint, m.licence,
       d.act, d.reason, d.payload AS decided, d.reader, d.seconds, d.created, d.app_version
FROM last_decision AS d
JOIN subject AS s ON s.id = d.subject
LEFT JOIN proposal AS p ON p.seq = d.proposal_seq
LEFT JOIN model_version AS m ON m.id = p.model_id
LEFT JOIN series AS i ON i.series_uid = json_extract(d.payload, '$.value.series_uid')
WHERE d.act <> 'RETRACT'"""

_SHARED = ("subject", "kind", "study_uid", "proposed", "model_name", "model_version", "fingerprint", "licence")
_SHARED_DECISION = ("act", "reason", "decided", "reader", "seconds", "app_version")

current_subject = table(
    "current_subject",
    *map(column, _SHARED + _SHARED_DECISION),
    *map(column, ("position", "seen", "proposal_seq", "audience", "proposed_at", "decision_seq")),
    *map(column, ("note", "after_seq", "token", "decided_at")),
)
correction = table(
    "correction",
    *map(column, _SHARED + _SHARED_DECISION),
    *map(column, ("seq", "series_uid", "pixels_sha256", "created")),
)


def create_objects(connection: Connection) -> None:
    """Make the triggers and views; the tables exist already."""
    for name, keys in _APPEND_ONLY.items():
        refuse = f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
        taken = " OR ".join(f"({k})" for k in keys)
        exists = f"EXISTS (SELECT 1 FROM {name} AS old WHERE {taken})"
        connection.exec_driver_sql(f"CREATE TRIGGER {name}_no_update BEFORE UPDATE ON {name} {refuse}")
        connection.exec_driver_sql(f"CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {name} {refuse}")
        connection.exec_driver_sql(f"CREATE TRIGGER {name}_no_replace BEFORE INSERT ON {name} WHEN {exists} {refuse}")
    for statement in (_CHAIN, _LAST_DECISION, _CURRENT_SUBJECT, _CORRECTION):
        connection.exec_driver_sql(statement)
