import { config } from "../config";
import { Kbd } from "../ui/Kbd";
import { Dialog } from "../ui/Dialog";
import "./Help.css";

const GROUPS: [string, [string[], string][]][] = [
  [
    "Anywhere",
    [
      [["g", "r"], "Runs"],
      [["g", "w"], "Workers"],
      [["g", "s"], "Schedules"],
      [["g", "t"], "Topology"],
      [["g", "a"], "Audit"],
      [["?"], "This list"],
    ],
  ],
  [
    "Run list",
    [
      [["/"], "Search"],
      [["j", "k"], "Next, previous run"],
      [["Enter"], "Open"],
      [["x"], "Select"],
      [["Esc"], "Clear selection or search"],
    ],
  ],
  [
    "Run",
    [
      [["j", "k"], "Next, previous step"],
      [["1", "…", "6"], "Overview, graph, timeline, payloads, published, audit"],
      [["r"], "Retry"],
      [["Esc"], "Close the step, then back to the list"],
    ],
  ],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      {GROUPS.map(([title, keys]) => (
        <section key={title} className="help-group">
          <h3>{title}</h3>
          <dl>
            {keys.map(([combo, text]) => (
              <div key={text}>
                <dt>
                  {combo.map((key) => (
                    <Kbd key={key}>{key}</Kbd>
                  ))}
                </dt>
                <dd>{text}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
      <p className="muted small">
        Hatched bars are time in a queue, solid bars work, dotted bars waiting.{" "}
        {config.version ? `Version ${config.version}.` : ""}
      </p>
    </Dialog>
  );
}
