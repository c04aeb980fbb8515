/** A run copied for elsewhere: as a report, and as a test that replays it. */
import { apiUrl, getText } from "../../api/http";
import { copyLoaded } from "../../lib/clipboard";
import { errorText } from "../../lib/errors";
import { say } from "../../ui/toast";

const WHAT = {
  report: { path: "/runs/{runId}/report", said: "Copied the report as Markdown." },
  test: { path: "/runs/{runId}/test", said: "Copied a pytest file that replays this run." },
} as const;

/** Copy it, and say so; where the browser lets nobody copy, a link to it. */
export async function copyRun(what: keyof typeof WHAT, runId: string): Promise<void> {
  const { path, said } = WHAT[what];
  try {
    const copied = await copyLoaded(getText(path, { path: { runId } }).then(({ text }) => text));
    if (copied) say(said);
    else
      say(
        <>
          This browser does not let the page copy.{" "}
          <a href={apiUrl(path, { runId })} target="_blank" rel="noreferrer">
            Open it
          </a>
        </>,
        "bad",
      );
  } catch (error) {
    say(errorText(error), "bad");
  }
}
