import { config } from "../config";
import { Dialog } from "../ui/Dialog";
import { Kbd } from "../ui/Kbd";
import type { CommandGroup } from "./commands";
import "./Help.css";

/** The keys of what is on screen. */
export function Help({ groups }: { groups: CommandGroup[] }) {
  return (
    <Dialog title="Keyboard">
      {groups.map(({ title, commands }) => (
        <section key={title} className="help-group">
          <h3>{title}</h3>
          <dl>
            {commands
              .filter((command) => command.keys)
              .map((command) => (
                <div key={command.id}>
                  <dt>
                    {command.keys?.map((keys) => (
                      <Keys key={keys} keys={keys} />
                    ))}
                  </dt>
                  <dd>{command.label}</dd>
                </div>
              ))}
          </dl>
        </section>
      ))}
      <p className="muted small">
        Hatched bars are time in a queue, solid bars work, dotted bars waiting.
        {config.version ? ` Version ${config.version}.` : ""}
      </p>
    </Dialog>
  );
}

const SPOKEN: Record<string, string> = { Escape: "Esc", ArrowDown: "↓", ArrowUp: "↑" };

function Keys({ keys }: { keys: string }) {
  return (
    <span className="nowrap">
      {keys.split(" ").map((key) => (
        <Kbd key={key}>{SPOKEN[key] ?? key}</Kbd>
      ))}
    </span>
  );
}
