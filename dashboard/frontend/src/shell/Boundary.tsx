import { Component, type ErrorInfo, type ReactNode } from "react";
import { LoadError } from "../lib/errors";
import { Failure } from "../ui/Notice";

interface Props {
  children: ReactNode;
  /** What broke, as the subject of a sentence. */
  what: string;
  /** When this changes, the part is tried again. */
  at?: string;
  /** Say nothing in its place: for small parts whose absence is better than a message. */
  quiet?: boolean;
}

interface State {
  error: Error | null;
}

/** A part that breaks says so instead of taking everything around it down. */
export class Boundary extends Component<Props, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    console.error(`${this.props.what} failed.`, error, info.componentStack);
  }

  override componentDidUpdate(previous: Props): void {
    if (previous.at !== this.props.at && this.state.error) this.again();
  }

  override componentWillUnmount(): void {
    this.forget();
  }

  /** What could not be loaded is loaded anew wherever it is drawn next. */
  private forget(): void {
    if (this.state.error instanceof LoadError) this.state.error.again();
  }

  private again(): void {
    this.forget();
    this.setState({ error: null });
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    if (this.props.quiet) return null;
    return <Failure what={this.props.what} error={this.state.error} onRetry={() => this.again()} />;
  }
}
