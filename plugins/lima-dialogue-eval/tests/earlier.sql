BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'lima','m001_runs','2026-11-28 10:27:04.900065+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'lima','m002_replies','2026-11-28 10:27:04.903155+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'lima','m003_rows','2026-11-28 10:27:04.904857+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'lima-dialogue-eval','m001_dialogues','2026-11-28 10:27:04.954847+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'lima-dialogue-eval','m002_views','2026-11-28 10:27:04.955533+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'lima-dialogue-eval','m003_thoughts','2026-11-28 10:27:04.956039+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'lima-dialogue-eval','m004_gain','2026-11-28 10:27:04.956725+00:00');
CREATE TABLE "checkpoints" (
   "run" TEXT REFERENCES "runs"("id"),
   "folder" TEXT,
   "created" TEXT,
   "epoch" INTEGER,
   "step" INTEGER, "perplexity" REAL,
   PRIMARY KEY ("run", "folder")
);
CREATE TABLE "choices" (
   "run" TEXT REFERENCES "runs"("id"),
   "grader" TEXT,
   "reason" TEXT,
   "created" TEXT,
   "id" INTEGER PRIMARY KEY,
   "epoch" INTEGER
);
CREATE TABLE "dev_prompts" (
   "run" TEXT REFERENCES "runs"("id"),
   "source" TEXT,
   "example" TEXT,
   "hash" TEXT,
   "prompt" TEXT,
   "reference" TEXT,
   "position" INTEGER,
   PRIMARY KEY ("run", "position")
);
CREATE TABLE "dialogue_conversations" (
   "dialogue_run" TEXT REFERENCES "dialogue_runs"("id"),
   "conversation" TEXT,
   "seed" INTEGER,
   "topic" TEXT,
   "turns" INTEGER,
   "status" TEXT,
   "message" TEXT,
   PRIMARY KEY ("dialogue_run", "conversation", "seed")
);
INSERT INTO "dialogue_conversations" VALUES('20261128-102707-0e0a2f','tea',0,'Making tea',3,'complete','');
INSERT INTO "dialogue_conversations" VALUES('20261128-102707-0e0a2f','bus',0,'Catching a bus',2,'complete','');
INSERT INTO "dialogue_conversations" VALUES('20261128-102707-e444ee','tea',0,'Making tea',3,'complete','');
INSERT INTO "dialogue_conversations" VALUES('20261128-102707-e444ee','bus',0,'Catching a bus',2,'complete','');
INSERT INTO "dialogue_conversations" VALUES('20261128-102707-16c276','tea',0,'Making tea',3,'complete','');
INSERT INTO "dialogue_conversations" VALUES('20261128-102707-16c276','bus',0,'Catching a bus',2,'error','ConnectionError: the line is dead');
CREATE TABLE "dialogue_grades" (
   "id" INTEGER PRIMARY KEY,
   "dialogue_run" TEXT REFERENCES "dialogue_runs"("id"),
   "conversation" TEXT,
   "seed" INTEGER,
   "turn" INTEGER,
   "grader" TEXT,
   "rater" TEXT,
   "grade" TEXT,
   "reason" TEXT,
   "status" TEXT,
   "created" TEXT
);
INSERT INTO "dialogue_grades" VALUES(1,'20261128-102707-0e0a2f','tea',0,1,'requirements','','excellent','The checked requirement is met.','graded','2026-11-28T10:27:07.114+00:00');
INSERT INTO "dialogue_grades" VALUES(2,'20261128-102707-0e0a2f','bus',0,1,'requirements','','fail','Missed (must): says nine (without ''nine'').','graded','2026-11-28T10:27:07.114+00:00');
INSERT INTO "dialogue_grades" VALUES(3,'20261128-102707-0e0a2f','tea',0,2,'requirements','','excellent','The checked requirement is met.','graded','2026-11-28T10:27:07.126+00:00');
INSERT INTO "dialogue_grades" VALUES(4,'20261128-102707-0e0a2f','bus',0,2,'requirements','','fail','Missed (must): says ten (without ''ten'').','graded','2026-11-28T10:27:07.126+00:00');
INSERT INTO "dialogue_grades" VALUES(5,'20261128-102707-0e0a2f','tea',0,3,'requirements','',NULL,'Left to a person: is kind.','needs a person','2026-11-28T10:27:07.138+00:00');
INSERT INTO "dialogue_grades" VALUES(6,'20261128-102707-e444ee','tea',0,1,'requirements','','excellent','The checked requirement is met.','graded','2026-11-28T10:27:07.163+00:00');
INSERT INTO "dialogue_grades" VALUES(7,'20261128-102707-e444ee','bus',0,1,'requirements','','excellent','The checked requirement is met.','graded','2026-11-28T10:27:07.163+00:00');
INSERT INTO "dialogue_grades" VALUES(8,'20261128-102707-e444ee','tea',0,2,'requirements','','excellent','The checked requirement is met.','graded','2026-11-28T10:27:07.164+00:00');
INSERT INTO "dialogue_grades" VALUES(9,'20261128-102707-e444ee','bus',0,2,'requirements','','fail','Missed (must): says ten (without ''ten'').','graded','2026-11-28T10:27:07.164+00:00');
INSERT INTO "dialogue_grades" VALUES(10,'20261128-102707-e444ee','tea',0,3,'requirements','',NULL,'Left to a person: is kind.','needs a person','2026-11-28T10:27:07.186+00:00');
INSERT INTO "dialogue_grades" VALUES(11,'20261128-102707-16c276','tea',0,1,'requirements','','fail','Missed (must): says water (without ''water'').','graded','2026-11-28T10:27:07.210+00:00');
INSERT INTO "dialogue_grades" VALUES(12,'20261128-102707-16c276','bus',0,1,'requirements','','fail','Missed (must): says nine (without ''nine'').','graded','2026-11-28T10:27:07.210+00:00');
INSERT INTO "dialogue_grades" VALUES(13,'20261128-102707-16c276','tea',0,2,'requirements','','excellent','The checked requirement is met.','graded','2026-11-28T10:27:07.215+00:00');
INSERT INTO "dialogue_grades" VALUES(14,'20261128-102707-16c276','tea',0,3,'requirements','',NULL,'Left to a person: is kind.','needs a person','2026-11-28T10:27:07.220+00:00');
CREATE TABLE "dialogue_runs" (
   "id" TEXT PRIMARY KEY,
   "created" TEXT,
   "finished" TEXT,
   "status" TEXT,
   "message" TEXT,
   "evaluation" TEXT,
   "evaluation_hash" TEXT,
   "model" TEXT,
   "run" TEXT,
   "arm" TEXT,
   "seeds" TEXT,
   "sampling" TEXT,
   "grader" TEXT,
   "primary_test" TEXT,
   "plugins" TEXT,
   "environment" TEXT,
   "seconds" REAL
);
INSERT INTO "dialogue_runs" VALUES('20261128-102707-0e0a2f','2026-11-28T10:27:07.091+00:00','2026-11-28T10:27:07.142+00:00','done','','small','0c3a59b608690f6e9042271104e83fcb7a5d6ac936f2da379ead30af3b4792e1','parrot',NULL,'before','[0]','{"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.2, "max_new_tokens": 2048}','requirements','two-sided exact sign-flip test on conversation means (Fail 0, Pass 1, Excellent 2; turns and seeds averaged first)','[{"plugin": "lima-tune", "version": "", "hash": "ceaf93b2640a3921a2da477f1f597f347784fcfac8a6140e84686e97a54bd560"}, {"plugin": "lima-dialogue-eval", "version": "", "hash": "4dbe26106ae1112f47b31f4858d0e1680027e5086d9337ef11f86818b517e9ec"}]','{"python": "3.11.15", "torch": "2.9.0", "directory": "/home"}',3.55923789975349791347e-02);
INSERT INTO "dialogue_runs" VALUES('20261128-102707-e444ee','2026-11-28T10:27:07.153+00:00','2026-11-28T10:27:07.189+00:00','done','','small','0c3a59b608690f6e9042271104e83fcb7a5d6ac936f2da379ead30af3b4792e1','parrot',NULL,'after','[0]','{"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.2, "max_new_tokens": 2048}','requirements','two-sided exact sign-flip test on conversation means (Fail 0, Pass 1, Excellent 2; turns and seeds averaged first)','[{"plugin": "lima-tune", "version": "", "hash": "ceaf93b2640a3921a2da477f1f597f347784fcfac8a6140e84686e97a54bd560"}, {"plugin": "lima-dialogue-eval", "version": "", "hash": "4dbe26106ae1112f47b31f4858d0e1680027e5086d9337ef11f86818b517e9ec"}]','{"python": "3.11.15", "torch": "2.9.0", "directory": "/home"}',2.79178769997088238596e-02);
INSERT INTO "dialogue_runs" VALUES('20261128-102707-16c276','2026-11-28T10:27:07.204+00:00','2026-11-28T10:27:07.225+00:00','done','1 of 2 conversations ended early: error 1.','small','0c3a59b608690f6e9042271104e83fcb7a5d6ac936f2da379ead30af3b4792e1','parrot',NULL,'broken','[0]','{"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.2, "max_new_tokens": 2048}','requirements','two-sided exact sign-flip test on conversation means (Fail 0, Pass 1, Excellent 2; turns and seeds averaged first)','[{"plugin": "lima-tune", "version": "", "hash": "ceaf93b2640a3921a2da477f1f597f347784fcfac8a6140e84686e97a54bd560"}, {"plugin": "lima-dialogue-eval", "version": "", "hash": "4dbe26106ae1112f47b31f4858d0e1680027e5086d9337ef11f86818b517e9ec"}]','{"python": "3.11.15", "torch": "2.9.0", "directory": "/home"}',1.70298679986444767564e-02);
CREATE TABLE "dialogue_turns" (
   "dialogue_run" TEXT REFERENCES "dialogue_runs"("id"),
   "conversation" TEXT,
   "seed" INTEGER,
   "turn" INTEGER,
   "kind" TEXT,
   "user" TEXT,
   "requirements" TEXT,
   "reply" TEXT,
   "prompt_ids" TEXT,
   "prompt_tokens" INTEGER,
   "reply_tokens" INTEGER,
   "stop" TEXT,
   "seconds" REAL,
   "status" TEXT,
   "message" TEXT,
   "created" TEXT, "thoughts" TEXT,
   PRIMARY KEY ("dialogue_run", "conversation", "seed", "turn")
);
INSERT INTO "dialogue_turns" VALUES('20261128-102707-0e0a2f','tea',0,1,'opening','How do I make tea?','[{"text": "says water", "check": {"contains_all": "water"}}]','Boil water #65','[0]',1,2,'eot',0.25,'answered','','2026-11-28T10:27:07.106+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-0e0a2f','bus',0,1,'opening','When does it go?','[{"text": "says nine", "check": {"contains_all": "nine"}}]','When does it go? after W #32','[0]',1,6,'eot',0.25,'answered','','2026-11-28T10:27:07.106+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-0e0a2f','tea',0,2,'shorter','Shorter.','[{"text": "short", "check": {"max_words": 5}, "must": false}]','Shorter. after HBS #68','[0, 1, 2]',3,3,'eot',0.25,'answered','','2026-11-28T10:27:07.122+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-0e0a2f','bus',0,2,'follow-up','And back?','[{"text": "says ten", "check": {"contains_all": "ten"}}]','And back? after WWA #59','[0, 1, 2]',3,4,'eot',0.25,'answered','','2026-11-28T10:27:07.122+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-0e0a2f','tea',0,3,'why','Is it kind?','[{"text": "is kind"}]','Is it kind? after HBSSI #95','[0, 1, 2, 3, 4]',5,5,'eot',0.25,'answered','','2026-11-28T10:27:07.130+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-e444ee','tea',0,1,'opening','How do I make tea?','[{"text": "says water", "check": {"contains_all": "water"}}]','Boil water #65','[0]',1,2,'eot',0.25,'answered','','2026-11-28T10:27:07.162+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-e444ee','bus',0,1,'opening','When does it go?','[{"text": "says nine", "check": {"contains_all": "nine"}}]','At nine. #32','[0]',1,2,'eot',0.25,'answered','','2026-11-28T10:27:07.162+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-e444ee','tea',0,2,'shorter','Shorter.','[{"text": "short", "check": {"max_words": 5}, "must": false}]','Shorter. after HBS #68','[0, 1, 2]',3,3,'eot',0.25,'answered','','2026-11-28T10:27:07.163+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-e444ee','bus',0,2,'follow-up','And back?','[{"text": "says ten", "check": {"contains_all": "ten"}}]','And back? after WAA #59','[0, 1, 2]',3,4,'eot',0.25,'answered','','2026-11-28T10:27:07.163+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-e444ee','tea',0,3,'why','Is it kind?','[{"text": "is kind"}]','Is it kind? after HBSSI #95','[0, 1, 2, 3, 4]',5,5,'eot',0.25,'answered','','2026-11-28T10:27:07.178+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-16c276','tea',0,1,'opening','How do I make tea?','[{"text": "says water", "check": {"contains_all": "water"}}]','How do I make tea? after H #65','[0]',1,7,'eot',0.25,'answered','','2026-11-28T10:27:07.209+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-16c276','bus',0,1,'opening','When does it go?','[{"text": "says nine", "check": {"contains_all": "nine"}}]','When does it go? after W #32','[0]',1,6,'eot',0.25,'answered','','2026-11-28T10:27:07.209+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-16c276','tea',0,2,'shorter','Shorter.','[{"text": "short", "check": {"max_words": 5}, "must": false}]','Shorter. after HHS #68','[0, 1, 2]',3,3,'eot',0.25,'answered','','2026-11-28T10:27:07.214+00:00','');
INSERT INTO "dialogue_turns" VALUES('20261128-102707-16c276','bus',0,2,'follow-up','And back?','[{"text": "says ten", "check": {"contains_all": "ten"}}]',NULL,NULL,NULL,NULL,NULL,NULL,'error','ConnectionError: the line is dead','2026-11-28T10:27:07.214+00:00',NULL);
INSERT INTO "dialogue_turns" VALUES('20261128-102707-16c276','tea',0,3,'why','Is it kind?','[{"text": "is kind"}]','Is it kind? after HHSSI #95','[0, 1, 2, 3, 4]',5,5,'eot',0.25,'answered','','2026-11-28T10:27:07.218+00:00','');
CREATE TABLE "gain_answers" (
   "gain_run" TEXT REFERENCES "gain_runs"("id"),
   "conversation" TEXT,
   "exchange" INTEGER,
   "tags" TEXT,
   "tokens" INTEGER,
   "true" REAL,
   "none" REAL,
   "other" REAL,
   "others" INTEGER,
   "cut" INTEGER,
   PRIMARY KEY ("gain_run", "conversation", "exchange")
);
CREATE TABLE "gain_runs" (
   "id" TEXT PRIMARY KEY,
   "created" TEXT,
   "model" TEXT,
   "run" TEXT,
   "renderer" TEXT,
   "source" TEXT,
   "source_hash" TEXT,
   "others" INTEGER,
   "seed" INTEGER,
   "seconds" REAL,
   "environment" TEXT
);
CREATE TABLE "generation_grades" (
   "run" TEXT REFERENCES "runs"("id"),
   "grader" TEXT,
   "grade" TEXT,
   "reason" TEXT,
   "created" TEXT,
   "id" INTEGER PRIMARY KEY,
   "epoch" INTEGER,
   "position" INTEGER
);
CREATE TABLE "generations" (
   "run" TEXT REFERENCES "runs"("id"),
   "reply" TEXT,
   "stop" TEXT,
   "epoch" INTEGER,
   "position" INTEGER,
   "tokens" INTEGER,
   "seconds" REAL, "thoughts" TEXT,
   PRIMARY KEY ("run", "epoch", "position")
);
CREATE TABLE "run_examples" (
   "run" TEXT REFERENCES "runs"("id"),
   "source" TEXT,
   "example" TEXT,
   "hash" TEXT,
   "status" TEXT,
   "reason" TEXT,
   "position" INTEGER,
   "tokens" INTEGER,
   "trained_tokens" INTEGER, "answers" INTEGER, "answers_kept" INTEGER,
   PRIMARY KEY ("run", "position")
);
CREATE TABLE "run_plugins" (
   "run" TEXT REFERENCES "runs"("id"),
   "plugin" TEXT,
   "version" TEXT,
   "hash" TEXT,
   PRIMARY KEY ("run", "plugin")
);
CREATE TABLE "run_sources" (
   "run" TEXT REFERENCES "runs"("id"),
   "source" TEXT,
   "owner" TEXT,
   "licence" TEXT,
   "hash" TEXT,
   "examples" INTEGER,
   "tokens" INTEGER,
   "trained_tokens" INTEGER, "cut" INTEGER, "dropped" INTEGER, "answers" INTEGER, "answers_kept" INTEGER,
   PRIMARY KEY ("run", "source")
);
CREATE TABLE "runs" (
   "id" TEXT PRIMARY KEY,
   "created" TEXT,
   "finished" TEXT,
   "status" TEXT,
   "message" TEXT,
   "base" TEXT,
   "base_hash" TEXT,
   "renderer" TEXT,
   "eot" TEXT,
   "recipe" TEXT,
   "environment" TEXT,
   "folder" TEXT,
   "seed" INTEGER,
   "examples" INTEGER,
   "tokens" INTEGER,
   "trained_tokens" INTEGER,
   "steps" INTEGER,
   "seconds" REAL
, "date" TEXT, "rows_hash" TEXT);
CREATE TABLE "steps" (
   "run" TEXT REFERENCES "runs"("id"),
   "step" INTEGER,
   "epoch" INTEGER,
   "tokens" INTEGER,
   "trained_tokens" INTEGER,
   "loss" REAL,
   "accuracy" REAL,
   "learning_rate" REAL,
   "gradient_norm" REAL,
   "seconds" REAL,
   PRIMARY KEY ("run", "step")
);
CREATE TABLE table_owners (name text primary key, owner text not null);
INSERT INTO "table_owners" VALUES('_sqlite_migrations','lima');
INSERT INTO "table_owners" VALUES('checkpoint_quality','lima');
INSERT INTO "table_owners" VALUES('checkpoints','lima');
INSERT INTO "table_owners" VALUES('choices','lima');
INSERT INTO "table_owners" VALUES('dev_prompts','lima');
INSERT INTO "table_owners" VALUES('generation_grades','lima');
INSERT INTO "table_owners" VALUES('generation_latest_grades','lima');
INSERT INTO "table_owners" VALUES('generations','lima');
INSERT INTO "table_owners" VALUES('run_examples','lima');
INSERT INTO "table_owners" VALUES('run_plugins','lima');
INSERT INTO "table_owners" VALUES('run_sources','lima');
INSERT INTO "table_owners" VALUES('run_summary','lima');
INSERT INTO "table_owners" VALUES('runs','lima');
INSERT INTO "table_owners" VALUES('steps','lima');
INSERT INTO "table_owners" VALUES('table_owners','lima');
INSERT INTO "table_owners" VALUES('dialogue_conversations','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('dialogue_grades','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('dialogue_grades_by_kind','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('dialogue_grades_by_run','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('dialogue_grades_by_turn','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('dialogue_latest_grades','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('dialogue_replies','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('dialogue_run_summary','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('dialogue_runs','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('dialogue_turns','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('gain_answers','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('gain_runs','lima-dialogue-eval');
INSERT INTO "table_owners" VALUES('gain_summary','lima-dialogue-eval');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE VIEW "run_summary" AS 
        select runs.id, runs.status, runs.created, runs.base, runs.renderer, runs.seed, runs.examples, runs.steps,
          (select round(loss, 4) from steps where run = runs.id order by step desc limit 1) as last_loss,
          (select group_concat(source, ', ') from run_sources where run = runs.id) as sources,
          runs.folder
        from runs;
CREATE INDEX "idx_generation_grades_run_epoch_position"
    ON "generation_grades" ("run", "epoch", "position");
CREATE TRIGGER generation_grades_no_update before update on generation_grades begin select raise(abort, 'generation_grades is append-only: add a row instead'); end;
CREATE TRIGGER generation_grades_no_delete before delete on generation_grades begin select raise(abort, 'generation_grades is append-only: add a row instead'); end;
CREATE TRIGGER choices_no_update before update on choices begin select raise(abort, 'choices is append-only: add a row instead'); end;
CREATE TRIGGER choices_no_delete before delete on choices begin select raise(abort, 'choices is append-only: add a row instead'); end;
CREATE VIEW "generation_latest_grades" AS 
        select grades.* from generation_grades grades where id = (
          select max(id) from generation_grades same where same.run = grades.run and same.epoch = grades.epoch
            and same.position = grades.position and same.grader = grades.grader);
CREATE VIEW "checkpoint_quality" AS 
        select epochs.run, epochs.epoch, epochs.step, epochs.perplexity, grades.grader,
          avg(case grade when 'fail' then 0 when 'pass' then 1 when 'excellent' then 2 end) as mean_grade,
          sum(grade = 'excellent') as excellent, sum(grade = 'pass') as pass, sum(grade = 'fail') as fail,
          count(grade) as n
        from (select run, epoch, max(step) as step, max(perplexity) as perplexity from checkpoints group by run, epoch) epochs
        left join generation_latest_grades grades on grades.run = epochs.run and grades.epoch = epochs.epoch
        group by epochs.run, epochs.epoch, grades.grader;
CREATE INDEX "idx_dialogue_grades_dialogue_run_conversation_seed_turn"
    ON "dialogue_grades" ("dialogue_run", "conversation", "seed", "turn");
CREATE TRIGGER dialogue_grades_no_update before update on dialogue_grades begin select raise(abort, 'dialogue_grades is append-only: add a row instead'); end;
CREATE TRIGGER dialogue_grades_no_delete before delete on dialogue_grades begin select raise(abort, 'dialogue_grades is append-only: add a row instead'); end;
CREATE VIEW "dialogue_latest_grades" AS 
        select grades.* from dialogue_grades grades where id = (
          select max(id) from dialogue_grades same
          where same.dialogue_run = grades.dialogue_run and same.conversation = grades.conversation
            and same.seed = grades.seed and same.turn = grades.turn
            and same.grader = grades.grader and same.rater = grades.rater);
CREATE VIEW "dialogue_replies" AS 
        select turns.dialogue_run, runs.evaluation, runs.arm, turns.conversation, turns.seed, turns.turn, turns.kind,
          turns.user, turns.reply, turns.stop, turns.status, grades.grade, grades.reason, grades.status as grade_status
        from dialogue_turns turns join dialogue_runs runs on runs.id = turns.dialogue_run
        left join dialogue_latest_grades grades on grades.dialogue_run = turns.dialogue_run and grades.grader = runs.grader
          and grades.conversation = turns.conversation and grades.seed = turns.seed and grades.turn = turns.turn;
CREATE VIEW "dialogue_grades_by_run" AS select dialogue_run, evaluation, arm, 
  count(*) as turns,
  sum(grade = 'excellent') as excellent, sum(grade = 'pass') as pass, sum(grade = 'fail') as fail,
  round(100.0 * avg(grade = 'excellent'), 1) as excellent_percent, round(100.0 * avg(grade = 'fail'), 1) as fail_percent
 from dialogue_replies where grade is not null group by dialogue_run;
CREATE VIEW "dialogue_grades_by_turn" AS select dialogue_run, evaluation, arm, turn, 
  count(*) as turns,
  sum(grade = 'excellent') as excellent, sum(grade = 'pass') as pass, sum(grade = 'fail') as fail,
  round(100.0 * avg(grade = 'excellent'), 1) as excellent_percent, round(100.0 * avg(grade = 'fail'), 1) as fail_percent
 from dialogue_replies where grade is not null group by dialogue_run, turn;
CREATE VIEW "dialogue_grades_by_kind" AS select dialogue_run, evaluation, arm, kind, 
  count(*) as turns,
  sum(grade = 'excellent') as excellent, sum(grade = 'pass') as pass, sum(grade = 'fail') as fail,
  round(100.0 * avg(grade = 'excellent'), 1) as excellent_percent, round(100.0 * avg(grade = 'fail'), 1) as fail_percent
 from dialogue_replies where grade is not null group by dialogue_run, kind;
CREATE VIEW "dialogue_run_summary" AS 
        select runs.id, runs.status, runs.message, runs.created,
          runs.evaluation, runs.arm, runs.model, runs.run, runs.grader, runs.seeds,
          coalesce(g.turns, 0) as turns, g.excellent, g.pass, g.fail, g.excellent_percent, g.fail_percent,
          (select count(*) from dialogue_conversations c
            where c.dialogue_run = runs.id and c.status in ('error', 'context full')) as ended_early
        from dialogue_runs runs left join dialogue_grades_by_run g on g.dialogue_run = runs.id;
CREATE VIEW "gain_summary" AS 
        select runs.id, runs.created, runs.model, runs.run, runs.source, count(*) as conversations,
          avg(of_one.true_history) as true_history, avg(of_one.over_none) as over_none, avg(of_one.over_other) as over_other
        from gain_runs runs join (
          select gain_run, conversation, avg("true") as true_history, avg("true" - none) as over_none,
            avg("true" - other) as over_other
          from gain_answers group by gain_run, conversation) of_one on of_one.gain_run = runs.id
        group by runs.id;
COMMIT;