import { useId, useState } from "react";
import { useCell } from "../../lib/cell";
import { useZone, ZONES, zone, type Zone, zoneName } from "../../lib/zone";
import { Button, IconButton } from "../../ui/Button";
import { Glyph } from "../../ui/icons";
import { Popover } from "../../ui/Popover";
import {
  type Column,
  COLUMNS,
  DEFAULT_LAYOUT,
  DENSITIES,
  type Density,
  type FixedColumn,
  labelOf,
  layout,
  moved,
} from "./columns";
import css from "./listTools.module.css";

const DENSITY: Record<Density, string> = { comfortable: "Comfortable", compact: "Compact" };
const ZONE: Record<Zone, string> = { local: "Local time", utc: "UTC" };

/** How the list is shown, in this browser: its columns and their order, how close rows stand, in which zone times are. */
export function DisplayMenu({ attributes }: { attributes: readonly string[] }) {
  const { columns, density } = useCell(layout);
  const chosen = useZone();
  const set = (next: readonly Column[]): void => layout.set({ columns: next, density });
  const absent = (Object.keys(COLUMNS) as FixedColumn[]).filter((column) => !columns.includes(column));
  return (
    <Popover
      label="Display"
      end
      button={
        <>
          <Glyph name="columns" />
          <span className={css.name}>Display</span>
          {chosen === "utc" ? <span className={css.zone}>UTC</span> : null}
        </>
      }
    >
      {() => (
        <div className={css.menu}>
          <Choice
            label="Rows"
            values={DENSITIES}
            words={DENSITY}
            value={density}
            onChange={(next) => layout.set({ columns, density: next })}
          />
          <Choice label="Times" values={ZONES} words={ZONE} value={chosen} onChange={zone.set} />
          <p className="muted small">Times are in {zoneName()}. Kept in this browser.</p>
          <ol className={css.list} aria-label="Columns">
            {columns.map((column, index) => (
              <li key={column} className={css.row}>
                <label className="check">
                  <input type="checkbox" checked onChange={() => set(columns.filter((one) => one !== column))} />
                  <span>{labelOf(column)}</span>
                </label>
                <IconButton
                  icon="up"
                  label={`${labelOf(column)}: earlier`}
                  disabled={index === 0}
                  onClick={() => set(moved(columns, column, -1))}
                />
                <IconButton
                  icon="down"
                  label={`${labelOf(column)}: later`}
                  disabled={index === columns.length - 1}
                  onClick={() => set(moved(columns, column, 1))}
                />
              </li>
            ))}
            {absent.map((column) => (
              <li key={column} className={css.row}>
                <label className="check">
                  <input type="checkbox" checked={false} onChange={() => set([...columns, column])} />
                  <span className="muted">{labelOf(column)}</span>
                </label>
              </li>
            ))}
          </ol>
          <AddAttribute
            attributes={attributes}
            onAdd={(key) => set([...new Set<Column>([...columns, `attr:${key}`])])}
          />
          <Button tone="quiet" onClick={() => layout.set(DEFAULT_LAYOUT)}>
            Reset the columns
          </Button>
        </div>
      )}
    </Popover>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  values: readonly T[];
  words: Record<T, string>;
  value: T;
  onChange: (next: T) => void;
}

function Choice<T extends string>({ label, values, words, value, onChange }: ChoiceProps<T>) {
  return (
    <div className={css.choice} role="group" aria-label={label}>
      <span className="muted small">{label}</span>
      {values.map((one) => (
        <button key={one} type="button" className="chip" aria-pressed={one === value} onClick={() => onChange(one)}>
          {words[one]}
        </button>
      ))}
    </div>
  );
}

function AddAttribute({ attributes, onAdd }: { attributes: readonly string[]; onAdd: (key: string) => void }) {
  const [key, setKey] = useState("");
  const listId = useId();
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        if (key.trim() !== "") onAdd(key.trim());
        setKey("");
      }}
    >
      <input
        className="input"
        value={key}
        list={listId}
        aria-label="Attribute to show as a column"
        placeholder="Attribute"
        onChange={(event) => setKey(event.target.value)}
      />
      <datalist id={listId}>
        {attributes.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <Button type="submit" disabled={key.trim() === ""}>
        Add column
      </Button>
    </form>
  );
}
