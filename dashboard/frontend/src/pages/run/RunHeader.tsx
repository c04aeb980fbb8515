import type { RunDetail } from "../../api/wire";
import { CommandButton } from "../../ui/CommandButton";
import { CopyButton } from "../../ui/CopyButton";
import { Glyph } from "../../ui/icons";
import { Menu } from "../../ui/Menu";
import { StatusBadge } from "../../ui/StatusBadge";
import type { RunCommands } from "./commands";
import { RunSentence } from "./RunSentence";

interface Props {
  detail: RunDetail;
  commands: RunCommands;
}

/** Who the run is and what can be done about it; then, in one sentence, how it stands. */
export function RunHeader({ detail, commands }: Props) {
  const { run } = detail;
  return (
    <header className="run-head">
      <div className="run-title">
        <StatusBadge status={run.status} />
        <h1 title={run.workflow}>{run.workflow}</h1>
        <span className="run-title-id">
          <span className="mono" title={run.id}>
            {run.id}
          </span>
          <CopyButton text={run.id} label="Copy the run id" />
        </span>
        <Actions commands={commands} />
      </div>
      <p className="run-sentence">
        <RunSentence detail={detail} />
      </p>
    </header>
  );
}

function Actions({ commands }: { commands: RunCommands }) {
  const items = commands.more.map(({ id, label, icon, danger, disabled, run }) => ({
    id,
    label,
    danger: danger ?? false,
    disabled: disabled ?? null,
    onSelect: () => void run(),
    ...(icon ? { icon } : {}),
  }));
  return (
    <div className="run-actions">
      {commands.first.map((command, index) => (
        <CommandButton
          key={command.id}
          command={command}
          tone={index === 0 && command.id !== "run.cancel" ? "primary" : "plain"}
        />
      ))}
      {items.length > 0 ? (
        <Menu label="More actions" items={items}>
          <Glyph name="more" />
        </Menu>
      ) : null}
    </div>
  );
}
