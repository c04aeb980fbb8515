import { Suspense } from "react";
import { lazyPart } from "../../shell/lazyPart";
import { openOverlay } from "../../shell/overlay";
import type { BulkDialogProps } from "./BulkDialog";

const dialog = lazyPart(
  () => import("./BulkDialog"),
  (module) => module.BulkDialog,
);

/** Ask what a bulk action would touch, and do it. */
export function openBulk(props: BulkDialogProps): void {
  openOverlay(
    <Suspense>
      <dialog.Part {...props} />
    </Suspense>,
  );
}
