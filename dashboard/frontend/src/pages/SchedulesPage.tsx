import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { scheduleAction } from "../api/actions";
import { schedulesQuery } from "../api/queries";
import type { Schedule } from "../api/wire";
import { config } from "../config";
import { Link } from "../router";
import { Ago } from "../ui/Ago";
import { Button, Empty, errorText, Failure, Skeleton } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { useToast } from "../ui/toast";
import "../styles/pages.css";

type Verb = "pause" | "resume" | "trigger";
const TITLE: Record<Verb, string> = { pause: "Pause", resume: "Resume", trigger: "Run now" };

export function SchedulesPage() {
  const query = useQuery(schedulesQuery);
  const [ask, setAsk] = useState<{ schedule: Schedule; verb: Verb } | null>(null);
  const viewer = config.role === "viewer";
  return (
    <div className="page plain-page">
      <header className="page-head"><h1>Schedules</h1><p className="muted">Workflows that the engine starts by the clock.</p></header>
      {query.isPending ? <Skeleton rows={6} /> : null}
      {query.isError && !query.data ? <Failure what="The schedules" error={query.error} onRetry={() => void query.refetch()} /> : null}
      {query.data?.length === 0 ? <Empty title="No schedules" icon="help">A workflow with a DBOS schedule shows here, and can be paused, resumed or run at once.</Empty> : null}
      {query.data && query.data.length > 0 ? (
        <table className="table">
          <thead><tr><th>Schedule</th><th>Workflow</th><th>Cron</th><th>Last fired</th><th>State</th><th /></tr></thead>
          <tbody>
            {query.data.map((schedule) => (
              <tr key={schedule.name}>
                <td><strong>{schedule.name}</strong></td>
                <td><Link to={`/?workflow=${encodeURIComponent(schedule.workflow)}`}>{schedule.workflow}</Link></td>
                <td className="mono">{schedule.schedule}{schedule.timezone ? <span className="muted"> {schedule.timezone}</span> : null}</td>
                <td><Ago at={schedule.lastFiredAt} /></td>
                <td>{schedule.active ? <span className="outcome" data-good>active</span> : <span className="outcome" data-idle>paused</span>}</td>
                <td className="row-actions">
                  <Button icon="play" disabled={viewer} title={viewer ? "Needs the operator role." : undefined} onClick={() => setAsk({ schedule, verb: "trigger" })}>Run now</Button>
                  <Button icon={schedule.active ? "pause" : "play"} disabled={viewer} title={viewer ? "Needs the operator role." : undefined} onClick={() => setAsk({ schedule, verb: schedule.active ? "pause" : "resume" })}>{schedule.active ? "Pause" : "Resume"}</Button>
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
      onClose();
    },
  });
  return (
    <Dialog title={`${TITLE[verb]}: ${schedule.name}?`} confirm={TITLE[verb]} onClose={onClose} onConfirm={() => act.mutate()} busy={act.isPending} refusal={act.isError ? errorText(act.error) : null}>
      <p>
        {verb === "trigger" ? <>Starts one run of <strong>{schedule.workflow}</strong> now, besides its schedule.</>
          : verb === "pause" ? "No further run starts until somebody resumes it. Runs under way go on."
          : "It fires again at its next time."}
      </p>
    </Dialog>
  );
}
