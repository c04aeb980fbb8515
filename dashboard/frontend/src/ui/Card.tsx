import type { ReactNode } from "react";
import "./Card.css";

/** A framed part of a page with a heading; ``actions`` stand at its right end. */
export function Card({ title, actions, children }: { title: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <section className="card">
      <header className="card-head">
        <h2>{title}</h2>
        <span className="grow" />
        {actions}
      </header>
      <div className="card-body">{children}</div>
    </section>
  );
}
