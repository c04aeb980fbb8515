import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { get } from "../api/http";
import { keys } from "../api/keys";
import { viewsQuery, workersQuery, workflowsQuery } from "../api/queries";
import type { RunRow, View } from "../api/wire";
import { filterFromRecord, parseAttr } from "../lib/filter";
import { shortId, STATUS } from "../lib/status";
import { useDebounced } from "../lib/useDebounced";
import { Glyph, type IconName, StatusIcon } from "../ui/icons";
import { Kbd } from "../ui/Kbd";
import { useListbox } from "../ui/useListbox";
import type { CommandGroup } from "./commands";
import { links } from "./links";
import { useCloseOverlay } from "./overlay";
import { href, navigate } from "./router";
import css from "./Palette.module.css";

interface Choice {
  id: string;
  label: string;
  hint: string;
  icon?: IconName;
  run?: RunRow;
  keys?: string;
  pick: () => void;
}

const RUNS_SHOWN = 6;
const MOST = 40;
const TYPING_MS = 150;

const has = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase());

function fromCommands(groups: readonly CommandGroup[], text: string): Choice[] {
  return groups.flatMap(({ title, commands }) =>
    commands
      .filter((command) => !command.keysOnly && !command.disabled && has(command.label, text))
      .map(({ id, label, icon, keys: shortcut, run }) => ({
        id,
        label,
        hint: title,
        ...(icon ? { icon } : {}),
        ...(shortcut?.[0] ? { keys: shortcut[0] } : {}),
        pick: () => void run(),
      })),
  );
}

function fromRuns(rows: readonly RunRow[]): Choice[] {
  return rows.map((run) => ({
    id: `run ${run.id}`,
    label: `${run.workflow} ${shortId(run.id)}`,
    hint: STATUS[run.status].label,
    run,
    pick: () => navigate(links.run(run.id)),
  }));
}

function fromViews(views: readonly View[], text: string): Choice[] {
  return views
    .filter(({ name }) => has(name, text))
    .map(({ id, name, filter }) => ({
      id: `saved ${id}`,
      label: name,
      hint: "Saved view",
      icon: "bookmark",
      pick: () => navigate(links.runs(filterFromRecord(filter))),
    }));
}

function fromNames(names: readonly string[], kind: "workflow" | "queue", text: string): Choice[] {
  return names
    .filter((name) => has(name, text))
    .map((name) => ({
      id: `${kind} ${name}`,
      label: name,
      hint: kind === "workflow" ? "Runs of this workflow" : "Runs of this queue",
      icon: "filter",
      pick: () => navigate(links.runs({ [kind]: name })),
    }));
}

/** What the text could be by its own shape: a trace id, an attribute. */
function fromText(text: string): Choice[] {
  const found: Choice[] = [];
  if (/^[0-9a-f]{32}$/i.test(text)) {
    const leave = (): void => window.location.assign(href(`/trace/${text.toLowerCase()}`));
    found.push({ id: "trace", label: text, hint: "Run of this trace", icon: "link", pick: leave });
  }
  const attr = parseAttr(text);
  if (attr !== null) {
    const pick = (): void => navigate(links.runs({ attr: [attr] }));
    found.push({ id: "attr", label: text, hint: "Runs with this attribute", icon: "filter", pick });
  }
  return found;
}

function useChoices(groups: readonly CommandGroup[], typed: string): { choices: Choice[]; busy: boolean } {
  const text = useDebounced(typed.trim(), TYPING_MS);
  const runs = useQuery({
    queryKey: [...keys.runs, "find", text],
    queryFn: ({ signal }) => get("/runs", { query: { q: text, limit: RUNS_SHOWN }, signal }),
    enabled: text.length > 1,
    placeholderData: keepPreviousData,
  });
  const workflows = useQuery({ ...workflowsQuery, enabled: text !== "" });
  const queues = useQuery({ ...workersQuery, enabled: text !== "", refetchInterval: false });
  const views = useQuery(viewsQuery);
  const names = [...new Set((workflows.data ?? []).flatMap((facet) => facet.workflow ?? []))].sort();
  const groupNames = (queues.data ?? []).map((group) => group.group).filter((name) => !name.startsWith("_dbos"));
  const wanted = typed.trim();
  const choices =
    wanted === ""
      ? [...fromCommands(groups, ""), ...fromViews(views.data ?? [], "")]
      : [
          ...fromText(wanted),
          ...fromRuns(text.length > 1 ? (runs.data ?? []) : []),
          ...fromCommands(groups, wanted),
          ...fromViews(views.data ?? [], wanted),
          ...fromNames(names, "workflow", wanted),
          ...fromNames(groupNames, "queue", wanted),
        ];
  return { choices: choices.slice(0, MOST), busy: runs.isFetching || text !== wanted };
}

/** Find anything: a run, a trace, a workflow, a queue, an attribute, a saved view, a page, an action. */
export function Palette({ groups }: { groups: CommandGroup[] }) {
  const close = useCloseOverlay();
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState("");
  const { choices, busy } = useChoices(groups, typed);
  const pick = (index: number): void => {
    const choice = choices[index];
    if (!choice) return;
    close();
    choice.pick();
  };
  const box = useListbox(choices.length, pick);
  useEffect(() => {
    const element = dialog.current;
    if (element && !element.open) element.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={css.palette}
      aria-label="Find anything"
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onMouseDown={(event) => {
        if (event.target === dialog.current) close();
      }}
    >
      <div className={css.head}>
        <Glyph name="search" />
        <input
          className={css.input}
          role="combobox"
          aria-expanded="true"
          aria-controls={box.listId}
          aria-activedescendant={box.active >= 0 ? box.optionId(box.active) : undefined}
          aria-label="Find a run, a trace, a workflow, a page or an action"
          placeholder="Run id, trace id, workflow, queue, key=value, page or action"
          value={typed}
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => {
            setTyped(event.target.value);
            box.setActive(0);
          }}
          onKeyDown={box.onKeyDown}
        />
      </div>
      <div className={css.list} role="listbox" id={box.listId} aria-label="Found" aria-busy={busy}>
        {choices.map((choice, index) => (
          <div
            key={choice.id}
            id={box.optionId(index)}
            role="option"
            aria-selected={index === box.active}
            className={css.option}
            onPointerMove={() => box.setActive(index)}
            onClick={() => pick(index)}
          >
            {choice.run ? (
              <StatusIcon status={choice.run.status} />
            ) : (
              <span className={css.icon}>{choice.icon ? <Glyph name={choice.icon} /> : null}</span>
            )}
            <span className={css.label}>{choice.label}</span>
            <span className={css.hint}>{choice.hint}</span>
            {choice.keys?.split(" ").map((key) => (
              <Kbd key={key}>{key}</Kbd>
            ))}
          </div>
        ))}
        {choices.length === 0 ? <p className={css.none}>{busy ? "Searching…" : "Nothing found."}</p> : null}
      </div>
    </dialog>
  );
}
