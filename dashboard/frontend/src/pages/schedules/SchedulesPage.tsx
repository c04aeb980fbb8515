import { useQuery } from "@tanstack/react-query";
import { scheduleAction, type ScheduleVerb } from "../../api/actions";
import { keys } from "../../api/keys";
import { schedulesQuery } from "../../api/queries";
import type { Schedule } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { formatDuration } from "../../lib/time";
import { whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { openOverlay, useCloseOverlay } from "../../shell/overlay";
import { Link } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Ago } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Empty, Skeleton } from "../../ui/Notice";
import { AsOf, QueryView } from "../../ui/QueryView";

const TITLE: Record<ScheduleVerb, string> = { pause: "Pause", resume: "Resume", trigger: "Run now" };

export function SchedulesPage() {
  const query = useQuery(schedulesQuery);
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Schedules</h1>
        <p className="muted">Workflows that the engine starts at set times.</p>
      </header>
      <QueryView
        query={query}
        what="The schedules"
        pending={<Skeleton rows={6} />}
        empty={{
          when: (schedules) => schedules.length === 0,
          show: (
            <Empty title="No schedules" icon="help">
              A workflow with a DBOS schedule shows here, and can be paused, resumed or run at once.
            </Empty>
          ),
        }}
      >
        {(schedules) => <Schedules schedules={schedules} />}
      </QueryView>
      <AsOf at={query.dataUpdatedAt} />
    </div>
  );
}

function Schedules({ schedules }: { schedules: Schedule[] }) {
  const why = whyReadOnly();
  const ask = (schedule: Schedule, verb: ScheduleVerb): void =>
    void openOverlay(<ScheduleDialog schedule={schedule} verb={verb} />);
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Schedule</th>
          <th>Workflow</th>
          <th>Cron</th>
          <th>Last run</th>
          <th>Next run</th>
          <th>State</th>
          <th>
            <span className="sr-only">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {schedules.map((schedule) => (
          <tr key={schedule.name}>
            <td>
              <Link to={links.runs({ q: `sched-${schedule.name}-` })} title="Its runs">
                <strong>{schedule.name}</strong>
              </Link>
            </td>
            <td data-label="Workflow">
              <Link to={links.runs({ workflow: schedule.workflow })}>{schedule.workflow}</Link>
              {schedule.queue ? <span className="muted nowrap"> on {schedule.queue}</span> : null}
            </td>
            <td data-label="Cron">
              <span className="mono nowrap">{schedule.schedule}</span>{" "}
              <span className="muted small nowrap">{schedule.timezone ?? "UTC"}</span>
            </td>
            <td data-label="Last run" className="nowrap">
              {schedule.lastFiredAt ? <Ago at={schedule.lastFiredAt} /> : <span className="muted">never</span>}
            </td>
            <td data-label="Next run" className="nowrap">
              <Next schedule={schedule} />
            </td>
            <td data-label="State">
              {schedule.active ? (
                <span className="outcome" data-good>
                  Active
                </span>
              ) : (
                <span className="outcome" data-idle>
                  Paused
                </span>
              )}
            </td>
            <td>
              <div className="row-actions">
                <Button icon="play" disabled={why !== undefined} title={why} onClick={() => ask(schedule, "trigger")}>
                  Run now
                </Button>
                <Button
                  icon={schedule.active ? "pause" : "retry"}
                  disabled={why !== undefined}
                  title={why}
                  onClick={() => ask(schedule, schedule.active ? "pause" : "resume")}
                >
                  {schedule.active ? "Pause" : "Resume"}
                </Button>
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** An engine that is busy fires a little late; after so long the time was missed. */
const MISSED_AFTER_MS = 60_000;

function Next({ schedule: { nextAt, overdueMs } }: { schedule: Schedule }) {
  return (
    <>
      {nextAt ? <Ago at={nextAt} /> : <span className="muted">–</span>}
      {(overdueMs ?? 0) > MISSED_AFTER_MS ? (
        <span className="outcome"> missed {formatDuration(overdueMs)} ago</span>
      ) : null}
    </>
  );
}

function ScheduleDialog({ schedule, verb }: { schedule: Schedule; verb: ScheduleVerb }) {
  const close = useCloseOverlay();
  const { act, isPending, error } = useAct({
    send: () => scheduleAction(schedule.name, verb),
    said: verb === "trigger" ? "Started." : verb === "pause" ? "Paused." : "Resumed.",
    touches: [keys.schedules],
    then: close,
  });
  return (
    <Dialog
      title={`${TITLE[verb]}: ${schedule.name}?`}
      confirm={TITLE[verb]}
      onConfirm={() => act(undefined)}
      busy={isPending}
      refusal={error ? errorText(error) : null}
    >
      <p>
        {verb === "trigger" ? (
          <>
            Starts one run of <strong>{schedule.workflow}</strong> now, besides its schedule.
          </>
        ) : verb === "pause" ? (
          "No further run starts until somebody resumes it. Runs in progress continue."
        ) : (
          "It fires again at its next time."
        )}
      </p>
    </Dialog>
  );
}
