import { useState } from "react";
import { resolveAlert, snoozeAlert } from "../../api/actions";
import { keys } from "../../api/keys";
import type { Alert } from "../../api/wire";
import { DecisionDialog } from "../../features/decision/DecisionDialog";

const HOUR = 60;
const DAY = 24 * HOUR;
const TIMES = [
  { minutes: HOUR, label: "An hour" },
  { minutes: 4 * HOUR, label: "4 hours" },
  { minutes: DAY, label: "A day" },
  { minutes: 7 * DAY, label: "A week" },
] as const;

/** No message for a while: for how long, and why. */
export function SnoozeDialog({ alert }: { alert: Alert }) {
  const [minutes, setMinutes] = useState<number>(HOUR);
  return (
    <DecisionDialog
      title="Snooze this alert?"
      text={alert.summary}
      confirm="Snooze"
      said="Snoozed."
      example="The provider is down until five, for example"
      send={(note) => snoozeAlert(alert.id, minutes, note)}
      touches={[keys.alerts]}
    >
      <label className="field">
        <span>For</span>
        <select className="input" value={minutes} onChange={(event) => setMinutes(Number(event.target.value))}>
          {TIMES.map((time) => (
            <option key={time.minutes} value={time.minutes}>
              {time.label}
            </option>
          ))}
        </select>
      </label>
    </DecisionDialog>
  );
}

/** It is over; what was found again opens it again. */
export function ResolveDialog({ alert }: { alert: Alert }) {
  return (
    <DecisionDialog
      title="Resolve this alert?"
      text={alert.summary}
      confirm="Resolve"
      said="Resolved."
      example="Rolled back to v1, for example"
      send={(note) => resolveAlert(alert.id, note)}
      touches={[keys.alerts]}
    />
  );
}
