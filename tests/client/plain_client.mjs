// A client written from the HTTP contract alone: fetch, an event-stream reader of its own, nothing else.
// usage: node plain_client.mjs <base> ; prints one JSON line per thing it saw; exits 1 when something is not as written.
import assert from "node:assert/strict";

const base = process.argv[2].replace(/\/$/, "") + "/api";
const report = (what, value) => console.log(JSON.stringify({ what, value }));

async function ask(method, path, body) {
  const response = await fetch(`${base}/${path}`, {
    method,
    redirect: "manual",
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response;
}

async function json(method, path, body) {
  const response = await ask(method, path, body);
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

// The rules of https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as the contract needs them.
async function* events(path, lastEventId) {
  const headers = { Accept: "text/event-stream", ...(lastEventId ? { "Last-Event-ID": String(lastEventId) } : {}) };
  const response = await fetch(`${base}/${path}`, { headers });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/event-stream/);
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const message = { event: "message", data: "" };
      for (const line of text.slice(0, end).split("\n")) {
        const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
        if (field === "data") message.data += value;
        else if (field) message[field] = value;
      }
      if (message.data) yield { ...message, data: JSON.parse(message.data) };
    }
  }
}

async function until(check) {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; ) {
    const value = await check();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("waited too long");
}

const TERMINAL = ["completed", "failed", "cancelled", "dead"];
const ends = (type) => TERMINAL.includes(type.replace("run.", ""));

// Start a run, list it, and open it.
const started = await json("POST", "runs", { workflow: "refund_order", input: ["order-1", 5] });
const id = started.runId;
const listed = await until(async () => (await json("GET", `runs?q=${id}&limit=5`)).find((run) => run.id === id));
assert.ok(Array.isArray(listed.tags) && listed.createdAt.endsWith("Z"));
const detail = await json("GET", `runs/${id}`);
assert.deepEqual(["run", "timeline", "children"].filter((key) => !(key in detail)), []);
report("opened", detail.run.workflow);

// What other pages of the contract read without asking: ids of children, workers' slots, the deployment's role.
assert.ok(detail.children.every((child) => typeof child === "string"));
for (const worker of (await json("GET", "workers")).flatMap((group) => group.liveWorkers)) {
  assert.deepEqual([typeof worker.group, typeof worker.lastBeatAt], ["string", "number"]);
  assert.deepEqual([typeof worker.status.concurrency.limit, typeof worker.status.inFlight], ["number", "number"]);
}
assert.equal((await json("GET", "topology")).role, "control-plane");

// Tail it to its end: a snapshot under its own event name, then lifecycle events with rising ids.
let last = 0;
let status;
for await (const message of events(`runs/${id}/stream`)) {
  if (message.event === "snapshot") status = message.data.detail.run.status;
  if (message.event === "message") {
    assert.ok(Number(message.id) > last);
    last = Number(message.id);
    if (ends(message.data.type)) status = message.data.type.replace("run.", "");
  }
  if (TERMINAL.includes(status)) break;
}
report("tailed", status);

// A step, the graph, the facets.
assert.ok((await json("GET", `runs/${id}/graph`)).nodes.length > 2);
const step = (await json("GET", `runs/${id}`)).timeline.find((entry) => entry.status === "failed");
assert.match((await json("GET", `runs/${id}/steps/${step.seq}`)).error.message, /bank/);
assert.ok((await json("GET", "runs/facets")).some((facet) => facet.status === "failed" && facet.count > 0));

// Retry: the answer is the run row, and its id again.
const retried = await json("POST", `runs/${id}/retry`);
assert.deepEqual([retried.id, retried.runId], [id, id]);
await until(async () => (await json("GET", `runs/${id}`)).run.status === "completed");
report("retried", "completed");

// Refusals are problems: status, title, detail.
const refused = await ask("POST", `runs/${id}/retry`);
assert.equal(refused.status, 409);
assert.match(refused.headers.get("content-type"), /^application\/problem\+json/);
const problem = await refused.json();
assert.equal(problem.status, 409);
assert.ok(problem.title && problem.detail);
for (const [path, code] of [["runs/nobody", 404], ["runs?colour=red", 400], ["runs?limit=0", 400]]) {
  const answer = await ask("GET", path);
  assert.equal(answer.status, code, path);
  assert.ok((await answer.json()).detail);
}
report("refused", problem.detail);

// Cancel one that sleeps, seen from the list's stream.
const other = (await json("POST", "runs", { workflow: "weekly_inventory", input: [["north", "south"]] })).runId;
await until(async () => (await json("GET", `runs?q=${other}`)).some((run) => run.status === "suspended"));
let seen;
for await (const message of events(`stream?workflow=weekly_inventory`)) {
  if (message.event === "snapshot") {
    assert.ok(message.data.runs.some((run) => run.id === other));
    assert.equal((await json("POST", `runs/${other}/cancel`)).runId, other);
  } else if (message.event === "message" && message.data.runId === other) seen = message.data.type;
  if (seen === "run.cancelled") break;
}
report("cancelled", seen);

// Pages follow the Link header, newest first, without repeats.
let next = "runs?limit=2";
const ids = [];
while (next) {
  const answer = await ask("GET", next);
  ids.push(...(await answer.json()).map((run) => run.id));
  const link = /<([^>]+)>;\s*rel="next"/.exec(answer.headers.get("link") ?? "");
  next = link ? link[1].split("/api/")[1] : undefined;
}
assert.equal(new Set(ids).size, ids.length);
assert.ok(ids.includes(id) && ids.includes(other));
report("paged", ids.length);

// A trace leads to its run.
const { traceId } = (await json("GET", `runs/${id}`)).run;
const redirect = await until(async () => {
  const answer = await ask("GET", `trace/${traceId}`);
  return answer.status === 302 && answer;
});
assert.ok(redirect.headers.get("location").endsWith(`/runs/${id}`));
report("done", true);
process.exit(0);
