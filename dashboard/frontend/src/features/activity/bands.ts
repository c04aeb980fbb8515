/** How the bars of the activity band stand. Pure. */
import type { ActivityBucket, RunStatus } from "../../api/wire";
import { FACTS, isOpen } from "../../lib/status";

export const KINDS = ["failed", "open", "cancelled", "completed"] as const;
export type Kind = (typeof KINDS)[number];
/** The status whose colour a kind has. */
export const COLOUR: Record<Kind, RunStatus> = {
  failed: "failed",
  open: "running",
  cancelled: "cancelled",
  completed: "completed",
};

export function kindOf(status: RunStatus): Kind {
  if (FACTS[status].failed) return "failed";
  if (isOpen({ status })) return "open";
  return status === "cancelled" ? "cancelled" : "completed";
}

export type Counts = Record<Kind, number>;

export function countsOf(bucket: Pick<ActivityBucket, "counts">): Counts {
  const counts: Counts = { failed: 0, open: 0, cancelled: 0, completed: 0 };
  for (const [status, count] of Object.entries(bucket.counts)) counts[kindOf(status as RunStatus)] += count ?? 0;
  return counts;
}

export const totalOf = (counts: Counts): number => KINDS.reduce((sum, kind) => sum + counts[kind], 0);

/** What is not nothing is seen; a failure is seen among thousands. */
const LEAST_PX: Record<Kind, number> = { failed: 4, open: 2, cancelled: 2, completed: 2 };

export interface Piece {
  kind: Kind;
  /** From the base up. */
  from: number;
  height: number;
}

/**
 * A bar's pieces, failures at the base, where their heights compare. Never taller than ``height``.
 *
 * A bar is as tall as the square root of its count, so that a quiet hour is still a bar beside a burst: a hundredth of
 * the tallest count is a tenth of its height. Its pieces share that height by their counts.
 */
export function piecesOf(counts: Counts, most: number, height: number): Piece[] {
  const total = totalOf(counts);
  const whole = Math.sqrt(total / Math.max(1, most)) * height;
  const wanted = KINDS.filter((kind) => counts[kind] > 0).map((kind) => ({
    kind,
    height: Math.max(LEAST_PX[kind], (counts[kind] / total) * whole),
  }));
  const over = wanted.reduce((sum, piece) => sum + piece.height, 0) - height;
  let from = 0;
  return wanted.map((piece, index) => {
    // The topmost, which is what most runs are, makes room for what must be seen.
    const tall = index === wanted.length - 1 && over > 0 ? Math.max(1, piece.height - over) : piece.height;
    const placed = { kind: piece.kind, from, height: tall };
    from += tall;
    return placed;
  });
}
