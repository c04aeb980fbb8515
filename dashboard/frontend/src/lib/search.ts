/** The part of an address behind the question mark, typed: what a page reads from it is what it wrote. Pure. */

/** A page's search: read from an address, written to one. */
export interface Search<T> {
  parse: (params: URLSearchParams) => T;
  format: (value: T) => URLSearchParams;
}

/** One parameter. What cannot be read is null, and null is not written. */
export interface Param<T> {
  parse: (text: string) => T | null;
  format: (value: T) => string;
}

export const text: Param<string> = { parse: (value) => (value === "" ? null : value), format: (value) => value };

export const integer: Param<number> = {
  parse: (value) => (/^-?\d{1,15}$/.test(value) ? Number(value) : null),
  format: String,
};

export const flag: Param<true> = { parse: (value) => (value === "true" ? true : null), format: () => "true" };

/** Ids of anything, in one parameter; at most ``most`` of them. */
export function ids(most: number): Param<readonly string[]> {
  return {
    parse: (value) => {
      const found = [...new Set(value.split(",").map(decoded))].filter((id) => id !== "").slice(0, most);
      return found.length > 0 ? found : null;
    },
    format: (value) => value.map(encodeURIComponent).join(","),
  };
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return "";
  }
}

export function oneOf<const T extends string>(values: readonly T[]): Param<T> {
  return { parse: (value) => values.find((known) => known === value) ?? null, format: (value) => value };
}

/**
 * A search of named parameters, each there at most once.
 *
 *     const search = searchOf({ view: oneOf(["list", "map"]), page: integer });
 *     search.parse(new URLSearchParams("view=map")) // { view: "map", page: null }
 */
export function searchOf<T extends object>(params: { [Name in keyof T]: Param<T[Name]> }): Search<{
  [Name in keyof T]: T[Name] | null;
}> {
  type Values = { [Name in keyof T]: T[Name] | null };
  const entries = Object.entries(params) as [keyof T & string, Param<T[keyof T]>][];
  return {
    parse: (given) =>
      Object.fromEntries(
        entries.map(([name, param]) => {
          const value = given.get(name);
          return [name, value === null ? null : param.parse(value)];
        }),
      ) as Values,
    format: (values) => {
      const out = new URLSearchParams();
      for (const [name, param] of entries) {
        const value = values[name];
        if (value !== null) out.set(name, param.format(value));
      }
      return out;
    },
  };
}
