import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { changeView, deleteView, saveView, type ViewChanges } from "../../api/actions";
import { keys } from "../../api/keys";
import { viewsQuery } from "../../api/queries";
import type { View } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { filterFromRecord, filterToParams, filterWords, isEmptyFilter, type RunFilter } from "../../lib/filter";
import { whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { navigate } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Button, IconButton } from "../../ui/Button";
import { Glyph } from "../../ui/icons";
import { Popover } from "../../ui/Popover";
import { QueryView } from "../../ui/QueryView";
import css from "./listTools.module.css";

const keyOf = (filter: RunFilter): string => filterToParams(filter).toString();
const filterOf = (view: View): RunFilter => filterFromRecord(view.filter);
const show = (view: View): void => navigate(links.runs(filterOf(view)));

/** A page that was opened without a filter begins with the default view, once: the address is the truth from then on. */
let begun = false;

/** Filters that were saved under a name: shown, saved, renamed, deleted, one of them the default. */
export function ViewsMenu({ filter }: { filter: RunFilter }) {
  const query = useQuery(viewsQuery);
  const views = query.data ?? NONE;
  const current = views.find((view) => keyOf(filterOf(view)) === keyOf(filter));
  useEffect(() => {
    if (query.data === undefined || begun) return;
    begun = true;
    const first = query.data.find((view) => view.isDefault);
    if (first && isEmptyFilter(filter)) navigate(links.runs(filterOf(first)), { replace: true });
  }, [query.data, filter]);
  useEffect(() => {
    if (!isEmptyFilter(filter)) begun = true;
  }, [filter]);
  return (
    <Popover
      label="Saved views"
      end
      button={
        <>
          <Glyph name="bookmark" />
          <span className={css.name}>{current ? current.name : "Views"}</span>
        </>
      }
    >
      {(close) => (
        <div className={css.menu}>
          <QueryView query={query} what="The saved views">
            {(all) => <Views views={all} current={current} onShow={close} />}
          </QueryView>
          {current || isEmptyFilter(filter) ? null : <Save filter={filter} />}
        </div>
      )}
    </Popover>
  );
}

const NONE: readonly View[] = [];

interface ViewsProps {
  views: readonly View[];
  current: View | undefined;
  onShow: () => void;
}

function Views({ views, current, onShow }: ViewsProps) {
  const [renamed, setRenamed] = useState<string | null>(null);
  if (views.length === 0)
    return <p className="muted small">Narrow the list by a filter, then save it here for everybody.</p>;
  return (
    <ul className={css.list} aria-label="Saved views">
      {views.map((view) =>
        renamed === view.id ? (
          <li key={view.id}>
            <Rename view={view} onDone={() => setRenamed(null)} />
          </li>
        ) : (
          <Row
            key={view.id}
            view={view}
            current={view.id === current?.id}
            onShow={onShow}
            onRename={() => setRenamed(view.id)}
          />
        ),
      )}
    </ul>
  );
}

interface RowProps {
  view: View;
  current: boolean;
  onShow: () => void;
  onRename: () => void;
}

function Row({ view, current, onShow, onRename }: RowProps) {
  const change = useAct({
    send: (changes: ViewChanges) => changeView(view.id, changes),
    said: ({ name, isDefault }) => (isDefault ? `The list begins with ${name}.` : `${name} is the default no more.`),
    touches: [keys.views],
  });
  const remove = useAct({
    send: () => deleteView(view.id),
    said: `${view.name} is deleted.`,
    touches: [keys.views],
  });
  const why = whyReadOnly();
  const error = change.error ?? remove.error;
  return (
    <li className={css.row} data-current={current || undefined}>
      <button
        type="button"
        className={css.show}
        aria-current={current || undefined}
        onClick={() => {
          show(view);
          onShow();
        }}
      >
        <strong>{view.name}</strong>
        <span className="muted small">{filterWords(filterOf(view)) ?? "every run"}</span>
      </button>
      <span className={css.default} data-on={view.isDefault || undefined}>
        <IconButton
          icon="star"
          label={view.isDefault ? `${view.name} is the default. Make it none` : `Begin with ${view.name}`}
          aria-pressed={view.isDefault}
          disabled={why !== undefined}
          onClick={() => change.act({ isDefault: !view.isDefault })}
        />
      </span>
      <IconButton icon="edit" label={`Rename ${view.name}`} disabled={why !== undefined} onClick={onRename} />
      <IconButton
        icon="trash"
        label={`Delete ${view.name}`}
        disabled={why !== undefined}
        onClick={() => remove.act(undefined)}
      />
      {error ? <p className="field-error">{errorText(error)}</p> : null}
    </li>
  );
}

function Rename({ view, onDone }: { view: View; onDone: () => void }) {
  const { act, error, isPending } = useAct({
    send: (name: string) => changeView(view.id, { name }),
    said: ({ name }) => `Renamed to ${name}.`,
    touches: [keys.views],
    then: onDone,
  });
  return (
    <NameForm
      first={view.name}
      label={`New name of ${view.name}`}
      button="Rename"
      busy={isPending}
      error={error}
      onName={act}
    />
  );
}

function Save({ filter }: { filter: RunFilter }) {
  const { act, error, isPending } = useAct({
    send: (name: string) => saveView(name, filter),
    said: ({ name }) => `Saved as ${name}, for everybody.`,
    touches: [keys.views],
  });
  const why = whyReadOnly();
  return (
    <section className={css.save} aria-label="Save this filter">
      <span className="muted small">{filterWords(filter)}</span>
      {why === undefined ? (
        <NameForm first="" label="Name of the view" button="Save view" busy={isPending} error={error} onName={act} />
      ) : (
        <p className="muted small">{why}</p>
      )}
    </section>
  );
}

interface NameFormProps {
  first: string;
  label: string;
  button: string;
  busy: boolean;
  error: Error | null;
  onName: (name: string) => void;
}

const NAME_CHARS = 80;

function NameForm({ first, label, button, busy, error, onName }: NameFormProps) {
  const [name, setName] = useState(first);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (name.trim() !== "") onName(name.trim());
  };
  return (
    <form className={css.form} onSubmit={submit}>
      <input
        className="input"
        value={name}
        maxLength={NAME_CHARS}
        aria-label={label}
        placeholder="Name"
        autoFocus
        onChange={(event) => setName(event.target.value)}
      />
      <Button type="submit" busy={busy} disabled={name.trim() === ""}>
        {button}
      </Button>
      {error ? <p className="field-error">{errorText(error)}</p> : null}
    </form>
  );
}
