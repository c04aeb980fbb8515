import { useQuery } from "@tanstack/react-query";
import { testAlerts } from "../../api/actions";
import { keys } from "../../api/keys";
import { alertsQuery } from "../../api/queries";
import type { Alert } from "../../api/wire";
import { whyReadOnly } from "../../shell/access";
import { openOverlay } from "../../shell/overlay";
import { Link } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Ago, Clock } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { Empty, Skeleton } from "../../ui/Notice";
import { QueryView } from "../../ui/QueryView";
import css from "./alerts.module.css";
import { ResolveDialog, SnoozeDialog } from "./dialogs";

const GROUPS = [
  { state: "open", title: "Open" },
  { state: "snoozed", title: "Snoozed" },
  { state: "ended", title: "Ended in the last two weeks" },
] as const;

/** What alert rules found: one entry for each trouble, from its beginning to its end. */
export function AlertsPage() {
  const query = useQuery(alertsQuery);
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Alerts</h1>
        <p className="muted">Open problems, one entry each. Each sends one message.</p>
        {query.data && query.data.rules.length > 0 ? <TestButton /> : null}
      </header>
      <QueryView query={query} what="The alerts" pending={<Skeleton rows={6} />}>
        {({ alerts, rules, targets, lookedAt }) => (
          <>
            {alerts.length === 0 && rules.length > 0 ? (
              <Empty title="Nothing is wrong" icon="check">
                Nothing was found in the last two weeks.
              </Empty>
            ) : null}
            {rules.length === 0 ? (
              <Empty title="No alerts are set up" icon="help">
                Give the caretaker rules and addresses: CaretakerSettings(alerts=AlertSettings(…)), or DURABLE_ALERTS
                for durable serve.
              </Empty>
            ) : null}
            {GROUPS.map(({ state, title }) => (
              <Group key={state} title={title} alerts={alerts.filter((one) => one.state === state)} />
            ))}
            {rules.length > 0 ? (
              <p className="muted">
                Rules: {rules.join(", ")}. Messages go to{" "}
                {targets.length > 0 ? targets.join(", ") : "this page alone, or to a worker that declares a sender"}.
                {lookedAt ? (
                  <>
                    {" "}
                    Looked at <Ago at={lookedAt} />.
                  </>
                ) : null}
              </p>
            ) : null}
          </>
        )}
      </QueryView>
    </div>
  );
}

function TestButton() {
  const why = whyReadOnly();
  const { act, isPending, error } = useAct<null, Alert>({
    send: testAlerts,
    said: "A test is open. Its message goes where all go.",
    touches: [keys.alerts],
  });
  return (
    <p className={css.act}>
      <Button icon="send" busy={isPending} disabled={why !== undefined} title={why} onClick={() => act(null)}>
        Send a test
      </Button>
      {error ? <span className="field-error">{error.message}</span> : null}
    </p>
  );
}

function Group({ title, alerts }: { title: string; alerts: readonly Alert[] }) {
  if (alerts.length === 0) return null;
  return (
    <section className={css.group}>
      <h2>{title}</h2>
      <ol className={css.entries}>
        {alerts.map((alert) => (
          <Entry key={alert.id} alert={alert} />
        ))}
      </ol>
    </section>
  );
}

function Entry({ alert }: { alert: Alert }) {
  return (
    <li className={css.entry} id={alert.id} data-state={alert.state}>
      <div className={css.what}>
        <h3>
          <Link to={alert.link}>{alert.summary}</Link>
        </h3>
        <p className="muted">
          {alert.rule} · opened <Ago at={alert.openedAt} />
          {alert.endedAt ? (
            <>
              {" · ended "}
              <Ago at={alert.endedAt} />
              {alert.endedBy ? ` by ${alert.endedBy}` : ""}
            </>
          ) : null}
          {alert.snoozedUntil ? (
            <>
              {" · until "}
              <Clock at={alert.snoozedUntil} />
            </>
          ) : null}
          {alert.acknowledgedBy && !alert.endedBy ? ` · acknowledged by ${alert.acknowledgedBy}` : ""}
          {alert.reopened > 0 ? ` · came back ${alert.reopened}×` : ""}
        </p>
        {alert.note ? <p>{alert.note}</p> : null}
        {alert.problem ? <p className="field-error">Its message was not sent yet: {alert.problem}</p> : null}
      </div>
      {alert.state === "ended" ? null : <Buttons alert={alert} />}
    </li>
  );
}

function Buttons({ alert }: { alert: Alert }) {
  const why = whyReadOnly();
  return (
    <p className={css.act}>
      {alert.state === "open" ? (
        <Button
          disabled={why !== undefined}
          title={why}
          onClick={() => void openOverlay(<SnoozeDialog alert={alert} />)}
        >
          Snooze…
        </Button>
      ) : null}
      <Button
        icon="check"
        disabled={why !== undefined}
        title={why}
        onClick={() => void openOverlay(<ResolveDialog alert={alert} />)}
      >
        Resolve…
      </Button>
    </p>
  );
}
