/** List, start, follow, retry: `npm start -- http://127.0.0.1:8000/durable`. Prints a line of JSON for each thing seen. */
import { dataOf, DurableClient, DurableError } from "./client.js";

const client = new DurableClient(process.argv[2] ?? "http://127.0.0.1:8000/durable");
const report = (what: string, value: unknown) => console.log(JSON.stringify({ what, value }));

const started = await dataOf(client.api.POST("/runs", { body: { workflow: "refund_order", input: ["order-ts", 7] } }));
const path = { runId: started.runId };
report("started", started.run.workflow);

for await (const message of client.streamRun(started.runId)) report("message", message.type);
const { run, timeline } = await dataOf(client.api.GET("/runs/{runId}", { params: { path } }));
report("status", run.status);
report("steps", timeline.map((step) => step.name));

const retried = await dataOf(client.api.POST("/runs/{runId}/retry", { params: { path }, body: {} }));
report("retried", retried.runId === started.runId);
let last = "";
for await (const message of client.streamRun(started.runId)) {
  last = message.type === "snapshot" ? message.detail.run.status : message.type;
}
report("ended", last);

try {
  await client.api.POST("/runs/{runId}/retry", { params: { path }, body: {} });
} catch (error) {
  if (!(error instanceof DurableError)) throw error;
  report("refused", { status: error.status, says: error.message });
}

const ids = new Set<string>();
for await (const found of client.iterRuns({ workflow: "refund_order", limit: 2 })) ids.add(found.id);
report("listed", ids.has(started.runId));

const abort = new AbortController();
for await (const message of client.streamRuns({ status: ["failed"] }, { signal: abort.signal })) {
  report("watching", message.type);
  break;
}
abort.abort();
