"""The SQLite schema: facts with the moment they became known, definitions, and the runs with their results.

Every column's unit stands beside it as a comment, which SQLite keeps. Moments are ``YYYY-MM-DDThh:mm:ssZ``,
dates are UTC days. Facts are append-only. ``available_at`` is the moment from which a figure of its day could be known;
``known_at`` the moment from which this version of it was: a correction is a new row with a later one.
"""

from __future__ import annotations

FACTS = """
CREATE TABLE source (                  -- where rows came from; every fact points to one
  source_id  INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,            -- file name or service
  kind       TEXT NOT NULL CHECK (kind IN ('bundled', 'file', 'web')),
  locator    TEXT NOT NULL,            -- path or address it was read from
  fetched_at TEXT NOT NULL,            -- moment of loading, UTC
  sha256     TEXT NOT NULL,            -- of the bytes
  rows       INTEGER NOT NULL,         -- data rows in it
  note       TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX source_once ON source (sha256, name);

CREATE TABLE pool_day (                -- one row a pool, series and day
  pool      TEXT NOT NULL,
  series    TEXT NOT NULL,             -- the name carries the unit, as volume_usd
  date      TEXT NOT NULL,             -- UTC day described
  known_at  TEXT NOT NULL,
  source_id INTEGER NOT NULL REFERENCES source,
  value     REAL NOT NULL,             -- unit of the series; rates are fractions
  quality   TEXT NOT NULL,             -- how the value came about
  available_at TEXT NOT NULL,
  PRIMARY KEY (pool, series, date, known_at, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE official_apy (            -- the pool's own published figure
  pool         TEXT NOT NULL,
  published_at TEXT NOT NULL,          -- moment it was seen, UTC
  known_at     TEXT NOT NULL,
  source_id    INTEGER NOT NULL REFERENCES source,
  week_start   TEXT,                   -- first UTC day it covers, where stated
  week_end     TEXT,                   -- last UTC day it covers, where stated
  apr          REAL NOT NULL,          -- simple annual, fraction
  apy          REAL NOT NULL,          -- effective annual, fraction
  available_at TEXT NOT NULL,
  PRIMARY KEY (pool, published_at, known_at, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE asset_day (
  asset     TEXT NOT NULL,
  date      TEXT NOT NULL,             -- UTC day
  known_at  TEXT NOT NULL,
  source_id INTEGER NOT NULL REFERENCES source,
  price_usd REAL NOT NULL,             -- close at the end of the day, USD
  available_at TEXT NOT NULL,
  PRIMARY KEY (asset, date, known_at, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE funding_day (
  venue         TEXT NOT NULL,
  asset         TEXT NOT NULL,
  date          TEXT NOT NULL,         -- UTC day
  known_at      TEXT NOT NULL,
  source_id     INTEGER NOT NULL REFERENCES source,
  funding_daily REAL NOT NULL,         -- fraction of notional a day; positive = longs pay shorts
  available_at  TEXT NOT NULL,
  PRIMARY KEY (venue, asset, date, known_at, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE lending_day (
  venue      TEXT NOT NULL,
  asset      TEXT NOT NULL,
  date       TEXT NOT NULL,            -- UTC day
  known_at   TEXT NOT NULL,
  source_id  INTEGER NOT NULL REFERENCES source,
  supply_apy REAL NOT NULL,            -- effective annual, fraction
  borrow_apy REAL NOT NULL,            -- effective annual, fraction
  supply_usd REAL NOT NULL,            -- total supplied, USD
  borrow_usd REAL NOT NULL,            -- total borrowed, USD
  max_ltv    REAL,                     -- fraction of collateral value, where stated
  available_at TEXT NOT NULL,
  PRIMARY KEY (venue, asset, date, known_at, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE contract (                -- a maturity of PT and YT on an underlying
  contract_id TEXT NOT NULL,
  layer       INTEGER NOT NULL,        -- 0 bundled, 1 the user's, which wins
  venue       TEXT NOT NULL,
  underlying  TEXT NOT NULL,
  maturity    TEXT NOT NULL,           -- moment, UTC
  clock       TEXT NOT NULL CHECK (clock IN ('wall', 'epoch')),
  valid_from  TEXT,                    -- moment since when it is known, UTC; NULL where nobody recorded it
  terms       TEXT NOT NULL CHECK (json_valid(terms)),  -- parameters and figures, each with its source
  source_id   INTEGER NOT NULL REFERENCES source,
  PRIMARY KEY (contract_id, layer)
) STRICT, WITHOUT ROWID;

CREATE TABLE definition (              -- venues and pools
  kind      TEXT NOT NULL CHECK (kind IN ('venue', 'pool')),
  name      TEXT NOT NULL,
  layer     INTEGER NOT NULL,          -- 0 bundled, 1 the user's, which wins
  body      TEXT NOT NULL CHECK (json_valid(body)),     -- dated parameters, each with its source
  source_id INTEGER NOT NULL REFERENCES source,
  PRIMARY KEY (kind, name, layer)
) STRICT, WITHOUT ROWID;

CREATE TABLE yield_quote (             -- prices of PT and YT
  contract_id          TEXT NOT NULL,
  feed                 TEXT NOT NULL,  -- table it came from; feeds differ in method and are never spliced
  at                   TEXT NOT NULL,  -- moment quoted, UTC
  known_at             TEXT NOT NULL,
  source_id            INTEGER NOT NULL REFERENCES source,
  implied_apy          REAL NOT NULL,  -- effective annual, fraction
  pt_price             REAL,           -- ST per PT
  yt_price             REAL,           -- ST per YT
  underlying_apy       REAL,           -- trailing yield of the underlying, fraction
  liquidity_usd        REAL,           -- of the pool, USD
  tvl_usd              REAL,           -- of the whole market, USD
  underlying_price_usd REAL,           -- of the accounting asset, USD
  available_at         TEXT NOT NULL,
  PRIMARY KEY (contract_id, feed, at, known_at, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE amm_state (
  contract_id TEXT NOT NULL,
  at          TEXT NOT NULL,           -- moment of the state, UTC
  known_at    TEXT NOT NULL,
  source_id   INTEGER NOT NULL REFERENCES source,
  kind        TEXT NOT NULL,           -- which curve: logit, clmm, rate_clmm
  state       TEXT NOT NULL CHECK (json_valid(state)),  -- amounts in tokens
  available_at TEXT NOT NULL,
  PRIMARY KEY (contract_id, at, known_at, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

CUSTODIES = """
CREATE TABLE custody_state (           -- what a pool held of one asset at a moment
  pool            TEXT NOT NULL,
  asset           TEXT NOT NULL,
  at              TEXT NOT NULL,       -- moment of the state, UTC
  known_at        TEXT NOT NULL,
  source_id       INTEGER NOT NULL REFERENCES source,
  supply          REAL NOT NULL,       -- share tokens of the pool in circulation
  owned           REAL NOT NULL,       -- tokens of the pool
  locked          REAL NOT NULL,       -- tokens that back open positions
  price_usd       REAL NOT NULL,       -- USD a token
  debt            REAL NOT NULL,       -- tokens lent out, without interest accrued
  guaranteed_usd  REAL NOT NULL,       -- size less collateral of open longs, USD
  short_sizes_usd REAL NOT NULL,       -- size of open shorts, USD
  short_avg_price REAL NOT NULL,       -- mean entry price of open shorts, USD a token; 0 without shorts
  fees_reserves   REAL NOT NULL,       -- tokens of fees not yet distributed
  available_at    TEXT NOT NULL,
  PRIMARY KEY (pool, asset, at, known_at, source_id)
) STRICT, WITHOUT ROWID;
"""

BACKTESTS = """
CREATE TABLE backtest_flag (           -- one row an opportunity of a past moment and what became of it
  run_id            INTEGER NOT NULL REFERENCES run,
  flag_id           TEXT NOT NULL,
  origin            TEXT NOT NULL,     -- moment of the screen, UTC
  ends_at           TEXT NOT NULL,     -- moment the trade is left, UTC
  row_id            TEXT NOT NULL,
  strategy          TEXT NOT NULL,
  side              TEXT NOT NULL,
  venue             TEXT NOT NULL,
  contract_id       TEXT NOT NULL,
  status            TEXT NOT NULL CHECK (status IN ('accepted', 'rejected')),
  outcome           TEXT NOT NULL CHECK (outcome IN ('realised', 'by_terms', 'unrealised')),
  size_usd          REAL NOT NULL,
  promised_return   REAL NOT NULL,     -- expected profit over capital, over the holding, fraction
  p_loss            REAL NOT NULL,     -- promised, 0 to 1
  p_liquidation     REAL,              -- promised, 0 to 1
  realised_return   REAL,              -- profit over capital, over the holding, fraction
  lost              INTEGER CHECK (lost IN (0, 1)),
  realised_quantile REAL,              -- of the realised profit in the promised distribution, 0 to 1
  reason            TEXT NOT NULL DEFAULT '',           -- why it could not be realised
  detail            TEXT NOT NULL CHECK (json_valid(detail)),  -- what was observed, each with its source
  PRIMARY KEY (run_id, flag_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX backtest_flag_by_contract ON backtest_flag (contract_id, strategy, origin);
"""

RESULTS = """
CREATE TABLE run (                     -- one row a command that computed something
  run_id        INTEGER PRIMARY KEY,
  command       TEXT NOT NULL,
  arguments     TEXT NOT NULL CHECK (json_valid(arguments)),
  version       TEXT NOT NULL,         -- of yieldtrade
  as_of         TEXT NOT NULL,         -- moment of the view, UTC
  started_at    TEXT NOT NULL,
  finished_at   TEXT,
  inputs_sha256 TEXT NOT NULL,         -- of the figures the run read
  status        TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed'))
) STRICT;

CREATE TABLE quote_log (
  run_id           INTEGER NOT NULL REFERENCES run,
  contract_id      TEXT NOT NULL,
  implied_apy      REAL NOT NULL,      -- fraction
  pt_price         REAL NOT NULL,      -- ST per PT
  yt_price         REAL NOT NULL,      -- ST per YT
  tau_years        REAL NOT NULL,      -- on the contract's clock
  kind             TEXT NOT NULL,      -- market, given, undated
  result           TEXT NOT NULL CHECK (json_valid(result)),
  PRIMARY KEY (run_id, contract_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE forecast (                -- one row a target and quantile
  run_id        INTEGER NOT NULL REFERENCES run,
  target        TEXT NOT NULL,         -- apy, volume_usd, oc_fees_usd, tvl_usd, apy_to_maturity
  period_start  TEXT NOT NULL,         -- moment, UTC
  period_end    TEXT NOT NULL,         -- moment, UTC
  quantile      REAL NOT NULL,         -- 0 to 1; -1 stands for the mean
  pool          TEXT NOT NULL,
  value         REAL NOT NULL,         -- unit of the target; rates are fractions
  model_version TEXT NOT NULL,
  PRIMARY KEY (run_id, target, period_start, period_end, quantile)
) STRICT, WITHOUT ROWID;

CREATE TABLE forecast_score (
  run_id  INTEGER NOT NULL REFERENCES run,
  model   TEXT NOT NULL,
  horizon INTEGER NOT NULL,            -- interest periods ahead
  metric  TEXT NOT NULL,               -- crps, mae_log, coverage_80, skill_crps ...
  value   REAL NOT NULL,               -- unit of the metric; shares and rates are fractions
  origins INTEGER NOT NULL,            -- how many past forecasts it rests on
  PRIMARY KEY (run_id, model, horizon, metric)
) STRICT, WITHOUT ROWID;

CREATE TABLE signal (                  -- one row an opportunity screened
  run_id       INTEGER NOT NULL REFERENCES run,
  row_id       TEXT NOT NULL,
  strategy     TEXT NOT NULL,
  side         TEXT NOT NULL,
  venue        TEXT NOT NULL,
  contract_id  TEXT NOT NULL,
  as_of        TEXT NOT NULL,          -- moment, UTC
  horizon_days REAL,                   -- days
  size_usd     REAL NOT NULL,
  net_apy      REAL,                   -- exact, fraction
  edge_usd     REAL,                   -- expected profit or loss, USD
  p_loss       REAL,                   -- probability, 0 to 1
  capacity_usd REAL,                   -- USD, where depth is known
  binding      TEXT,
  liquidation  TEXT,                   -- trigger in its own unit
  status       TEXT NOT NULL CHECK (status IN ('accepted', 'rejected')),
  reason       TEXT NOT NULL DEFAULT '',
  explain      TEXT NOT NULL CHECK (json_valid(explain)),
  PRIMARY KEY (run_id, row_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX signal_by_contract ON signal (contract_id, strategy, as_of);
"""

SCORES = """
DROP VIEW forecast_track_record;
CREATE TABLE forecast_score_by_target (
  run_id        INTEGER NOT NULL REFERENCES run,
  target        TEXT NOT NULL,         -- apy, or what it is made of: volume_usd, fees_usd, tvl_usd, means a day
  model         TEXT NOT NULL,         -- selected is the forecast handed out
  horizon       INTEGER NOT NULL,      -- interest periods ahead, 1 is the running one
  days_observed INTEGER NOT NULL,      -- days of the running period seen
  metric        TEXT NOT NULL,         -- crps, mae_log, coverage_80, pit_bin_01, skill_crps_vs_persistence ...
  value         REAL NOT NULL,         -- unit of the metric; shares and rates are fractions, bins are counts
  origins       INTEGER NOT NULL,      -- how many past forecasts it rests on
  PRIMARY KEY (run_id, target, model, horizon, days_observed, metric)
) STRICT, WITHOUT ROWID;
INSERT INTO forecast_score_by_target
  SELECT run_id, 'apy', model, horizon, 0, metric, value, origins FROM forecast_score;
DROP TABLE forecast_score;
ALTER TABLE forecast_score_by_target RENAME TO forecast_score;
CREATE VIEW forecast_track_record AS
  SELECT run.as_of, forecast_score.*
  FROM forecast_score JOIN run USING (run_id);
"""

VIEWS = """
CREATE VIEW latest_quotes AS
  SELECT contract_id, at, implied_apy, pt_price, yt_price, underlying_apy, liquidity_usd, source.name AS source
  FROM (SELECT *, row_number() OVER (
          PARTITION BY contract_id ORDER BY feed = 'snapshot' DESC, at DESC, known_at DESC, source_id DESC) AS place
        FROM yield_quote) JOIN source USING (source_id)
  WHERE place = 1;

CREATE VIEW pool_day_latest AS
  SELECT pool, series, date, value, quality, known_at
  FROM (SELECT *, row_number() OVER (
          PARTITION BY pool, series, date ORDER BY known_at DESC, source_id DESC) AS place FROM pool_day)
  WHERE place = 1;

CREATE VIEW jlp_daily AS
  SELECT date,
    max(value) FILTER (WHERE series = 'tvl_usd')            AS tvl_usd,
    max(value) FILTER (WHERE series = 'volume_usd')         AS volume_usd,
    max(value) FILTER (WHERE series = 'close_fees_usd')     AS close_fees_usd,
    max(value) FILTER (WHERE series = 'position_fees_usd')  AS position_fees_usd,
    max(value) FILTER (WHERE series = 'gross_fees_usd')     AS gross_fees_usd,
    max(value) FILTER (WHERE series = 'trader_pnl_usd')     AS trader_pnl_usd,
    max(value) FILTER (WHERE series = 'underlying_apy')     AS underlying_apy,
    max(value) FILTER (WHERE series = 'jlp_price_usd')      AS jlp_price_usd
  FROM pool_day_latest WHERE pool = 'JLP' GROUP BY date;

CREATE VIEW open_signals AS
  SELECT signal.* FROM signal
  WHERE status = 'accepted'
    AND run_id = (SELECT max(run_id) FROM run WHERE command = 'screen' AND status = 'done');

CREATE VIEW forecast_track_record AS
  SELECT run.as_of, forecast_score.*
  FROM forecast_score JOIN run USING (run_id);
"""
