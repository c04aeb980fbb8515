// A DBOS worker for TypeScript/JavaScript, for the tests: prints one line of JSON per thing that happened.
import { DBOS } from "@dbos-inc/dbos-sdk";

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
let failures = 1;

const charge = DBOS.registerStep(async (amount) => ({ charged: amount, at: new Date(0), tags: new Set(["a"]) }), {
  name: "charge",
});
const flaky = DBOS.registerStep(
  async () => {
    if (failures-- > 0) throw new Error("the till is jammed");
    return "unjammed";
  },
  { name: "flaky" },
);
const ship = DBOS.registerWorkflow(async (item) => `shipped ${item}`, { name: "ship" });

const order = DBOS.registerWorkflow(
  async (amount) => {
    const receipt = await charge(amount);
    await DBOS.sleep(50);
    const child = await DBOS.startWorkflow(ship)("book");
    const shipped = await child.getResult();
    const approval = await DBOS.recv("approval", 60);
    return { receipt, shipped, approval };
  },
  { name: "order" },
);
const fragile = DBOS.registerWorkflow(
  async () => {
    await charge(1);
    return flaky();
  },
  { name: "fragile" },
);

DBOS.setConfig({ name: "shop-ts", systemDatabaseUrl: process.argv[2], applicationVersion: "ts1", runAdminServer: false });
await DBOS.launch();
say({ launched: true });
const handle = await DBOS.startWorkflow(order, { workflowID: "ts-order" })(42);
const broken = await DBOS.startWorkflow(fragile, { workflowID: "ts-fragile" })();
await broken.getResult().catch((error) => say({ failed: error.message }));
say({ finished: await handle.getResult() });
await new Promise((resolve) => process.stdin.on("end", resolve).resume());
await DBOS.shutdown();
process.exit(0);
