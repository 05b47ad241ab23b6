BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('2');
CREATE TABLE documents (
	entry_id INTEGER NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (entry_id), 
	FOREIGN KEY(entry_id) REFERENCES entries (id)
);
INSERT INTO "documents" VALUES(1,'{"bundle": "build/demo", "name": "demo", "profile": "raspberry-pi-4", "metric": "accuracy", "score": 0.912, "target": "ssh://pi@raspberrypi.local", "emulated": false, "clock": "wall", "artifact": {"runtime": "executorch", "runtime_version": "1.5.1", "file": "model.pte", "bytes": 5000000, "sha256": "abababababababababababababababababababababababababababababababab"}, "threads": 1, "input_lengths": [8, 16, 24, 32], "latency_ms": {"count": 20, "p50": 2.9796085665576477, "p90": 3.979433733477891, "p99": 4.014820142698427, "samples": [1.0094171540468067, 1.972068437905977, 2.9796085665576477, 4.014820142698427, 0.9898365110581193, 1.9985575995442986, 3.005375894618245, 3.9667560313891603, 0.9869096263554065, 2.003877754824982, 3.029797491106056, 3.9741207347781, 0.9966633201620433, 2.0329134352116536, 2.983233307024552, 3.979433733477891, 1.0240411933229856, 1.9693783481425273, 3.0238939752088068, 3.919854059313944]}, "runs": [4, 4, 4, 4, 4], "peak_rss_bytes": 18000000, "stable": true, "reasons": [], "machine": {"board": "Raspberry Pi 4 Model B", "cpu_model": "Cortex-A72", "arch": "aarch64", "cores": 4}, "parity": {"passed": true, "cosine_min": 0.999, "max_abs_error": 0.01}, "budget": {"met": true, "missed": [], "undecided": []}}');
INSERT INTO "documents" VALUES(2,'{"bundle": "build/demo", "name": "demo", "profile": "raspberry-pi-4", "best": "litert", "artifacts": [{"runtime": "executorch", "bytes": 5, "score": 0.8, "sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, {"runtime": "litert", "bytes": 6, "score": 0.9, "sha256": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}]}');
CREATE TABLE entries (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	created VARCHAR(32) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	profile VARCHAR(64), 
	target VARCHAR(255), 
	runtime VARCHAR(32), 
	clock VARCHAR(16), 
	sha256 VARCHAR(64), 
	"commit" VARCHAR(64), 
	p50_ms FLOAT, 
	peak_rss_bytes BIGINT, 
	artifact_bytes BIGINT, 
	score FLOAT, 
	stable BOOLEAN
, first_token_ms FLOAT, tokens_per_second FLOAT);
INSERT INTO "entries" VALUES(1,'2026-11-26T20:50:50.656+00:00','bench','demo','raspberry-pi-4','ssh://pi@raspberrypi.local','executorch','wall','abababababababababababababababababababababababababababababababab','3f2a91c',2.97960856655764771971e+00,18000000,5000000,0.912,1,NULL,NULL);
INSERT INTO "entries" VALUES(2,'2026-11-26T20:50:50.659+00:00','build','demo','raspberry-pi-4',NULL,'litert',NULL,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','3f2a91c',NULL,NULL,6,0.9,NULL,NULL,NULL);
CREATE INDEX ix_entries_name ON entries (name);
CREATE INDEX ix_entries_target ON entries (target);
CREATE INDEX ix_entries_sha256 ON entries (sha256);
CREATE INDEX ix_entries_commit ON entries ("commit");
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('entries',2);
COMMIT;
