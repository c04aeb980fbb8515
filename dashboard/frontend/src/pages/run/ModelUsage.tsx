import { queryOptions, useQuery } from "@tanstack/react-query";
import { get } from "../../api/http";
import { keys } from "../../api/keys";
import type { RunRow } from "../../api/wire";
import { counted } from "../../lib/status";
import css from "./WhereTime.module.css";

const EVERY_MS = 10_000;

const usageQuery = (id: string, finishedAt: string | undefined) =>
  queryOptions({
    queryKey: keys.usageAt(id, finishedAt),
    queryFn: ({ signal }) => get("/runs/{runId}/usage", { path: { runId: id }, signal }),
    refetchInterval: finishedAt === undefined ? EVERY_MS : false,
  });

/** "1.8 USD"; four digits where it is small. */
export function costWords(cost: number, currency: string | undefined): string {
  const digits = cost !== 0 && cost < 0.01 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 };
  return `${cost.toLocaleString("en", digits)} ${currency ?? ""}`.trim();
}

/** What the model calls of a run used, and cost; nothing where there were none. */
export function ModelUsage({ run }: { run: RunRow }) {
  const { data } = useQuery(usageQuery(run.id, run.finishedAt));
  if (!data || data.calls === 0) return null;
  return (
    <section className={css.where} aria-label="Models">
      <p className={css.figures}>
        <strong>{counted(data.calls, "model call")}</strong>
        <span className={css.figure}>
          {data.inputTokens.toLocaleString("en")} tokens in, {data.outputTokens.toLocaleString("en")} out
        </span>
        {data.cost === undefined ? null : <span className={css.figure}>{costWords(data.cost, data.currency)}</span>}
        {data.models.map(({ model, calls, cost }) => (
          <span key={model} className="muted">
            {model || "model not named"} × {calls}
            {cost === undefined ? "" : `, ${costWords(cost, data.currency)}`}
          </span>
        ))}
      </p>
    </section>
  );
}
