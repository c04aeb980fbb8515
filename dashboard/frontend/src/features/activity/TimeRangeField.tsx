import { type FormEvent, useState } from "react";
import { around, fromField, PRESETS, rangeLabel, type TimeRange, toField } from "../../lib/range";
import { useNow } from "../../lib/clock";
import { useZone, zoneName } from "../../lib/zone";
import { Button } from "../../ui/Button";
import { Popover } from "../../ui/Popover";
import css from "./activity.module.css";

interface Props {
  value: TimeRange;
  onChange: (next: TimeRange) => void;
  /** What an empty value stands for here; left out, it is any time. */
  fallback?: string;
  /** It stands at the right of the page. */
  end?: boolean;
}

const AROUND: readonly [ms: number, label: string][] = [
  [300_000, "± 5 min"],
  [1_800_000, "± 30 min"],
  [7_200_000, "± 2 h"],
];

/** A range of time: a moving window by one press, or from–to in the reader's zone. */
export function TimeRangeField({ value, onChange, fallback = "", end = false }: Props) {
  const shown = value.since === "" && value.until === "" ? { since: fallback, until: "" } : value;
  const now = useNow();
  useZone();
  return (
    <Popover label="Time range" end={end} button={<span>{rangeLabel(shown, now)}</span>}>
      {(close) => (
        <Choices
          value={shown}
          anyTime={fallback === ""}
          onChange={(next) => {
            onChange(next);
            close();
          }}
        />
      )}
    </Popover>
  );
}

function Choices({ value, anyTime, onChange }: { value: TimeRange; anyTime: boolean; onChange: Props["onChange"] }) {
  const chosen = useZone();
  const [from, setFrom] = useState(() => toField(value.since, Date.now()));
  const [to, setTo] = useState(() => toField(value.until, Date.now()));
  const [since, until] = [fromField(from), fromField(to)];
  const reversed = since !== "" && until !== "" && since >= until;
  const apply = (event: FormEvent): void => {
    event.preventDefault();
    if (!reversed) onChange({ since, until });
  };
  return (
    <form className={css.range} onSubmit={apply}>
      <div className={css.presets} role="group" aria-label="Moving windows">
        {PRESETS.filter(([id]) => anyTime || id !== "").map(([id, label]) => (
          <button
            key={id}
            type="button"
            className="chip"
            aria-pressed={value.since === id && value.until === ""}
            onClick={() => onChange({ since: id, until: "" })}
          >
            {label}
          </button>
        ))}
      </div>
      <label className="field">
        <span>From</span>
        <input
          className="input"
          type="datetime-local"
          step={1}
          value={from}
          onChange={(event) => setFrom(event.target.value)}
        />
      </label>
      <label className="field">
        <span>To</span>
        <input
          className="input"
          type="datetime-local"
          step={1}
          value={to}
          aria-invalid={reversed}
          onChange={(event) => setTo(event.target.value)}
        />
      </label>
      {reversed ? <p className="field-error">The end must be after the start.</p> : null}
      <div className={css.presets} role="group" aria-label="Around the moment in From">
        <span className="muted small">Around “From”:</span>
        {AROUND.map(([ms, label]) => (
          <button
            key={ms}
            type="button"
            className="chip"
            disabled={since === ""}
            onClick={() => {
              const range = around(since, ms);
              if (range) onChange(range);
            }}
          >
            {label}
          </button>
        ))}
      </div>
      <p className="muted small">
        {chosen === "utc" ? "UTC" : `Local time of this browser, ${zoneName()}`}. An empty end is now.
      </p>
      <Button type="submit" tone="primary" disabled={reversed}>
        Apply
      </Button>
    </form>
  );
}
