import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { scheduleAction } from "../../api/actions";
import { schedulesQuery } from "../../api/queries";
import type { Schedule } from "../../api/wire";
import { config } from "../../config";
import { Link } from "../../shell/router";
import { Ago } from "../../ui/Ago";
import { errorText } from "../../lib/errors";
import { Button } from "../../ui/Button";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { Dialog } from "../../ui/Dialog";
import { useToast } from "../../ui/toast";
import "../workers/workers.css";

type Verb = "pause" | "resume" | "trigger";
const VIEWER = "Needs the operator role.";
const TITLE: Record<Verb, string> = { pause: "Pause", resume: "Resume", trigger: "Run now" };

export function SchedulesPage() {
  const query = useQuery(schedulesQuery);
  const [ask, setAsk] = useState<{ schedule: Schedule; verb: Verb } | null>(null);
  const viewer = config.role === "viewer";
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Schedules</h1>
        <p className="muted">Workflows that the engine starts by the clock.</p>
      </header>
      {query.isPending ? <Skeleton rows={6} /> : null}
      {query.isError && !query.data ? (
        <Failure what="The schedules" error={query.error} onRetry={() => void query.refetch()} />
      ) : null}
      {query.data?.length === 0 ? (
        <Empty title="No schedules" icon="help">
          A workflow with a DBOS schedule shows here, and can be paused, resumed or run at once.
        </Empty>
      ) : null}
      {query.data && query.data.length > 0 ? (
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
            {query.data.map((schedule) => (
              <tr key={schedule.name}>
                <td>
                  <Link to={`/?q=${encodeURIComponent(`sched-${schedule.name}-`)}`} title="Its runs">
                    <strong>{schedule.name}</strong>
                  </Link>
                </td>
                <td data-label="Workflow">
                  <Link to={`/?workflow=${encodeURIComponent(schedule.workflow)}`}>{schedule.workflow}</Link>
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
                  {schedule.nextAt ? <Ago at={schedule.nextAt} /> : <span className="muted">–</span>}
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
                    <Button
                      icon="play"
                      disabled={viewer}
                      title={viewer ? VIEWER : undefined}
                      onClick={() => setAsk({ schedule, verb: "trigger" })}
                    >
                      Run now
                    </Button>
                    <Button
                      icon={schedule.active ? "pause" : "retry"}
                      disabled={viewer}
                      title={viewer ? VIEWER : undefined}
                      onClick={() => setAsk({ schedule, verb: schedule.active ? "pause" : "resume" })}
                    >
                      {schedule.active ? "Pause" : "Resume"}
                    </Button>
                  </div>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
      {ask ? <ScheduleDialog schedule={ask.schedule} verb={ask.verb} onClose={() => setAsk(null)} /> : null}
    </div>
  );
}

function ScheduleDialog({ schedule, verb, onClose }: { schedule: Schedule; verb: Verb; onClose: () => void }) {
  const client = useQueryClient();
  const say = useToast();
  const act = useMutation({
    mutationFn: () => scheduleAction(schedule.name, verb),
    onSuccess: () => {
      say(verb === "trigger" ? "Started." : verb === "pause" ? "Paused." : "Resumed.");
      void client.invalidateQueries({ queryKey: ["schedules"] });
    },
  });
  return (
    <Dialog
      title={`${TITLE[verb]}: ${schedule.name}?`}
      confirm={TITLE[verb]}
      onClose={onClose}
      onConfirm={() => act.mutate(undefined, { onSuccess: onClose })}
      busy={act.isPending}
      refusal={act.isError ? errorText(act.error) : null}
    >
      <p>
        {verb === "trigger" ? (
          <>
            Starts one run of <strong>{schedule.workflow}</strong> now, besides its schedule.
          </>
        ) : verb === "pause" ? (
          "No further run starts until somebody resumes it. Runs under way go on."
        ) : (
          "It fires again at its next time."
        )}
      </p>
    </Dialog>
  );
}
