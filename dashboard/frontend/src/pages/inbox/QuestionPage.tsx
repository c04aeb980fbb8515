import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { questionQuery } from "../../api/queries";
import { ApiError } from "../../lib/errors";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Empty, Skeleton } from "../../ui/Notice";
import { QueryView } from "../../ui/QueryView";
import { Entry } from "./Entry";

/** One question, from a signed link in a chat or a mail: answered here, or said to be over. */
export function QuestionPage({ id }: { id: string }) {
  const [answered, setAnswered] = useState(false);
  const query = useQuery({ ...questionQuery(id), enabled: !answered });
  const refused = query.error instanceof ApiError && [404, 409].includes(query.error.status) ? query.error : null;
  if (answered || refused) {
    const runId = query.data?.run.id;
    return (
      <div className="page">
        <Empty title={answered ? "Answered" : "Nothing to answer here"} icon={answered ? "check" : "search"} whole>
          <p>{answered ? "The run continues with your answer." : refused?.detail}</p>
          {runId ? (
            <Link to={links.run(runId)} className="btn">
              See the run
            </Link>
          ) : null}{" "}
          <Link to={links.inbox} className="btn">
            All that waits
          </Link>
        </Empty>
      </div>
    );
  }
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>A question for you</h1>
        <p className="muted">The run waits here until somebody answers.</p>
      </header>
      <QueryView query={query} what="The question" pending={<Skeleton rows={4} />}>
        {(entry) => <Entry entry={entry} onDone={() => setAnswered(true)} />}
      </QueryView>
    </div>
  );
}
