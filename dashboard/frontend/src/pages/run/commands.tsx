/** What can be done to a run, as commands: its buttons, its menu, its keys and Ctrl-K draw from this one list. */
import type { Action, RunDetail } from "../../api/wire";
import { FACTS, isHeld, isOpen } from "../../lib/status";
import { offers, whyReadOnly } from "../../shell/access";
import type { Command } from "../../shell/commands";
import { openOverlay } from "../../shell/overlay";
import { links } from "../../shell/links";
import { navigate } from "../../shell/router";
import { copyRun } from "./copying";
import { CancelDialog, UndoDialog } from "./dialogs/CancelDialogs";
import { RunDecisionDialog } from "./dialogs/RunDecisionDialog";
import { RedispatchDialog, WakeDialog } from "./dialogs/WakeDialogs";
import { MoveDialog } from "./dialogs/MoveDialog";
import { ForkDialog, InputDialog } from "./dialogs/NewRunDialogs";
import { RetryDialog } from "./dialogs/RetryDialog";
import { SignalDialog } from "./dialogs/SignalDialog";

export interface RunCommands {
  /** Buttons: what a run in this state most likely needs. */
  first: Command[];
  /** In the menu behind them. */
  more: Command[];
}

const ANSWERS: readonly Action[] = ["continue", "signal", "update"];

/** The form stands in the notice of what the run waits for. */
function focusAnswer(): boolean {
  const form = document.querySelector<HTMLElement>(".waiting-answer");
  form?.scrollIntoView({ block: "nearest" });
  const field = form?.querySelector<HTMLElement>("input, select, textarea, button");
  field?.focus();
  return field !== undefined && field !== null;
}

/** Commands for a run as it is now. Only what the server offers; disabled, with the reason, for a viewer. */
export function runCommands(detail: RunDetail): RunCommands {
  const { run, timeline } = detail;
  const disabled = whyReadOnly();
  const hasSteps = timeline.length > 0;
  const stranded = isHeld(run);
  const may = (action: Action): boolean => offers(run, action);
  const when = (shown: boolean, command: Omit<Command, "disabled">): Command[] =>
    shown ? [{ ...command, disabled }] : [];
  const redispatch = {
    id: "run.redispatch",
    label: stranded ? "Re-dispatch" : "Re-dispatch…",
    icon: "send",
    run: () => void openOverlay(<RedispatchDialog detail={detail} />),
  } as const;
  return {
    first: [
      ...when(may("wake"), {
        id: "run.wake",
        label: "Wake",
        icon: "play",
        run: () => void openOverlay(<WakeDialog detail={detail} />),
      }),
      ...when(may("redispatch") && stranded, redispatch),
      ...when(may("retry"), {
        id: "run.retry",
        label: "Retry",
        icon: "retry",
        keys: ["r"],
        run: () => void openOverlay(<RetryDialog detail={detail} />),
      }),
      ...when(may("cancel"), {
        id: "run.cancel",
        label: "Cancel",
        icon: "stop",
        keys: ["c"],
        run: () => void openOverlay(<CancelDialog detail={detail} />),
      }),
    ],
    more: [
      ...when(ANSWERS.some(may), {
        id: "run.answer",
        label: "Answer what it waits for",
        icon: "play",
        run: () => focusAnswer(),
      }),
      ...when(may("cancel_undo") && hasSteps, {
        id: "run.undo",
        label: isOpen(run) ? "Cancel and undo…" : "Undo…",
        icon: "undo",
        danger: true,
        run: () => void openOverlay(<UndoDialog detail={detail} />),
      }),
      ...when(may("redispatch") && !stranded, redispatch),
      ...when(may("move"), {
        id: "run.move",
        label: "Move to a version…",
        icon: "send",
        run: () => void openOverlay(<MoveDialog detail={detail} />),
      }),
      ...when(may("retry_with_input"), {
        id: "run.input",
        label: "Retry with other input…",
        icon: "retry",
        run: () => void openOverlay(<InputDialog detail={detail} />),
      }),
      {
        id: "run.compare",
        label: "Compare with the last success",
        icon: "compare",
        run: () => navigate(links.compare(run.id)),
      },
      {
        id: "run.report",
        label: "Copy report",
        icon: "copy",
        run: () => void copyRun("report", run.id),
      },
      {
        id: "run.test",
        label: "Copy as a test",
        icon: "copy",
        run: () => void copyRun("test", run.id),
      },
      ...when(may("fork") && hasSteps, {
        id: "run.fork",
        label: "Fork from a step…",
        icon: "fork",
        run: () => void openOverlay(<ForkDialog detail={detail} seq={null} />),
      }),
      ...when(FACTS[run.status].retriable, {
        id: "run.decide",
        label: run.dealtWith ? "Reopen the failure…" : "Mark as dealt with…",
        icon: "check",
        run: () => void openOverlay(<RunDecisionDialog run={run} />),
      }),
      // A signal may be sent ahead of the wait for it.
      ...when(isOpen(run) && run.status !== "cancelling", {
        id: "run.signal",
        label: "Send a signal…",
        icon: "send",
        run: () => void openOverlay(<SignalDialog detail={detail} />),
      }),
    ],
  };
}
