import { AuditLog } from "../../features/audit/AuditLog";

export function AuditPage() {
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Audit</h1>
        <p className="muted">Who did what to which run, when, and what came of it. Refusals included.</p>
      </header>
      <AuditLog
        runId={null}
        empty="Every retry, cancel, signal and schedule change through this page or its API is written down here."
      />
    </div>
  );
}
