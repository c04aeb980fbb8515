/** What the person at the page may do. The one place that knows the roles. */
import type { Action, RunRow } from "../api/wire";
import { config } from "../config";

export const READ_ONLY = "Read-only access. Ask for the operator role.";

export function isViewer(): boolean {
  return config.role === "viewer";
}

/** Why nothing can be changed, for a tooltip; undefined when it can. */
export function whyReadOnly(): string | undefined {
  return isViewer() ? READ_ONLY : undefined;
}

/** Whether the server offers an action on a run as it is now. The server decides again when it is pressed. */
export function offers(run: Pick<RunRow, "allowed">, action: Action): boolean {
  return run.allowed.includes(action);
}
