import { useId } from "react";
import { ALL_AUDIT, type AuditFilter } from "../../api/auditQueries";
import { AuditLog } from "../../features/audit/AuditLog";
import { useAuditLog } from "../../features/audit/useAuditLog";
import { searchOf, text } from "../../lib/search";
import { useSearch } from "../../shell/router";
import { Button } from "../../ui/Button";
import css from "./audit.module.css";

const search = searchOf({ actor: text, action: text, outcome: text });
const OUTCOMES = ["done", "refused", "failed"];

export function AuditPage() {
  const [filter, setFilter] = useSearch(search);
  const isNarrowed = Object.values(filter).some((value) => value !== null);
  // What has been seen is what may be asked for: names are exact.
  const { entries } = useAuditLog(null);
  const seen = (of: "actor" | "action"): string[] => [...new Set(entries.map((entry) => entry[of]))].sort();
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Audit</h1>
        <p className="muted">Who did what to which run, when, and what came of it. Refusals included.</p>
      </header>
      <div className={css.filters} role="search" aria-label="Filter the audit log">
        <Exact label="Who" value={filter.actor} known={seen("actor")} onValue={(actor) => setFilter({ actor })} />
        <Exact label="What" value={filter.action} known={seen("action")} onValue={(action) => setFilter({ action })} />
        <select
          className="select"
          aria-label="Outcome"
          value={filter.outcome ?? ""}
          onChange={(event) => setFilter({ outcome: event.target.value || null })}
        >
          <option value="">Any outcome</option>
          {OUTCOMES.map((outcome) => (
            <option key={outcome}>{outcome}</option>
          ))}
        </select>
        {isNarrowed ? (
          <Button tone="quiet" onClick={() => setFilter({ ...ALL_AUDIT })}>
            Clear
          </Button>
        ) : null}
      </div>
      <AuditLog
        runId={null}
        filter={filter satisfies AuditFilter}
        empty="Every retry, cancel, signal and schedule change through this page or its API is written down here."
      />
    </div>
  );
}

interface ExactProps {
  label: string;
  value: string | null;
  known: readonly string[];
  onValue: (value: string | null) => void;
}

/** An exact name: asked for when it is whole, that is, known or confirmed. */
function Exact({ label, value, known, onValue }: ExactProps) {
  const list = useId();
  const take = (text: string): void => {
    const next = text.trim() || null;
    if (next !== value) onValue(next);
  };
  return (
    <>
      <input
        key={value ?? ""}
        className={`input ${css.exact}`}
        list={list}
        defaultValue={value ?? ""}
        placeholder={label}
        aria-label={label}
        spellCheck={false}
        autoComplete="off"
        onChange={({ target }) => {
          if (known.includes(target.value)) take(target.value);
        }}
        onBlur={({ target }) => take(target.value)}
        onKeyDown={({ key, currentTarget }) => {
          if (key === "Enter") take(currentTarget.value);
        }}
      />
      <datalist id={list}>
        {known.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}
