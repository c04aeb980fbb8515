/** What can go wrong, as classes; and errors as sentences. Pure. */

/** The server refused, or could not be reached (status 0). ``detail`` is a sentence for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly body: unknown = null,
  ) {
    super(detail);
    this.name = "ApiError";
  }
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : "Something unexpected happened.";
}
