/** What can go wrong, as classes, and errors as sentences. Pure. */

/**
 * The server refused, or did not answer (status 0). ``detail`` is a sentence for people.
 *
 *     ApiError
 *     ├── UnreachableError   no answer: no connection, or none in time
 *     └── SignedOutError     somebody else's sign-in page answered
 */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly body: unknown = null,
    /** When to ask again, as the server wishes. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(detail);
    this.name = new.target.name;
  }
}

/** Nobody answered. Asking again may help. */
export class UnreachableError extends ApiError {
  constructor(detail: string) {
    super(0, "The server cannot be reached", detail);
  }
}

/** A redirect or a page came where JSON was due: the session in front of this app has ended. Reloading signs in again. */
export class SignedOutError extends ApiError {
  constructor() {
    super(
      401,
      "Signed out",
      "Your session has ended. Reload the page to sign in again; what you see may be out of date.",
    );
  }
}

/** A part of the page could not be loaded. ``again`` makes its next drawing load it anew: it keeps its failure else. */
export class LoadError extends Error {
  constructor(
    message: string,
    cause: unknown,
    readonly again: () => void,
  ) {
    super(message, { cause });
    this.name = "LoadError";
  }
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : "Something unexpected happened.";
}

/** A refusal stays a refusal; only silence and overload are worth asking again. */
export function isWorthAnotherTry(error: unknown): boolean {
  return !(error instanceof ApiError && error.status >= 400 && error.status < 500);
}

/** No connection, no answer in time, or a proxy that says just that. A refusal is an answer. */
export function isNobodyThere(error: unknown): boolean {
  return error instanceof UnreachableError || (error instanceof ApiError && [502, 504].includes(error.status));
}

/** The engine has not made its tables yet: the application was never launched. Not a fault, a beginning. */
export function isNoDatabaseYet(error: unknown): boolean {
  return error instanceof ApiError && error.title === "No database yet";
}
