import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Clock } from "./Ago";
import { Failure, Notice, Skeleton } from "./Notice";

type Asked<T> = Pick<UseQueryResult<T>, "data" | "error" | "isPending" | "dataUpdatedAt"> & { refetch: () => unknown };

interface Props<T> {
  query: Asked<T>;
  /** The subject of a sentence: "The workers". */
  what: string;
  /** Shown instead of the data when there is none. */
  empty?: { when: (data: T) => boolean; show: ReactNode };
  pending?: ReactNode;
  children: (data: T) => ReactNode;
}

/** Says from when the data is that is shown, when newer could not be had. */
export function Stale({ at, error }: { at: number; error: Error }) {
  return (
    <Notice
      tone="warn"
      title={
        <>
          As of <Clock at={new Date(at).toISOString()} />
        </>
      }
    >
      {error.message}
    </Notice>
  );
}

/** How old what is shown is. */
export function AsOf({ at }: { at: number }) {
  return at === 0 ? null : (
    <p className="muted small as-of">
      As of <Clock at={new Date(at).toISOString()} />
    </p>
  );
}

/** An answer in each of its states: pending, failed, empty, there, and there but old. */
export function QueryView<T>({ query, what, empty, pending = <Skeleton />, children }: Props<T>) {
  const { data, error, isPending, dataUpdatedAt, refetch } = query;
  if (data === undefined) {
    if (isPending) return pending;
    return <Failure what={what} error={error} onRetry={() => void refetch()} />;
  }
  return (
    <>
      {error ? <Stale at={dataUpdatedAt} error={error} /> : null}
      {empty?.when(data) ? empty.show : children(data)}
    </>
  );
}
