import type { Command } from "../shell/commands";
import { Button, type ButtonProps } from "./Button";

/** A command as a button: its words, its icon, why it cannot be pressed now. */
export function CommandButton({ command, ...rest }: { command: Command } & ButtonProps) {
  return (
    <Button
      icon={command.icon}
      disabled={Boolean(command.disabled)}
      title={command.disabled ?? undefined}
      onClick={() => void command.run()}
      {...rest}
    >
      {command.label}
    </Button>
  );
}
