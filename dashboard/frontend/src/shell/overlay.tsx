/**
 * Dialogs live here, above the pages, so that none vanishes with the part that opened it. What a dialog is about is fixed
 * when it opens: it is an element with its props. It closes itself only, and leaving the page closes all.
 */
import { createContext, type ReactNode, useContext, useEffect, useMemo } from "react";
import { type Cell, makeCell, useCell } from "../lib/cell";
import { Boundary } from "./Boundary";
import { useLocation } from "./router";

interface Overlay {
  id: number;
  content: ReactNode;
}

const overlays: Cell<readonly Overlay[]> = makeCell<readonly Overlay[]>([]);
let lastId = 0;

function close(id: number): void {
  overlays.set(overlays.get().filter((overlay) => overlay.id !== id));
}

const CloseContext = createContext<() => void>(() => undefined);

/** Open a dialog above the page. The answer closes it. */
export function openOverlay(content: ReactNode): () => void {
  lastId += 1;
  const id = lastId;
  overlays.set([...overlays.get(), { id, content }]);
  return () => close(id);
}

/** Close the overlay in which a part stands; nothing elsewhere. */
export function useCloseOverlay(): () => void {
  return useContext(CloseContext);
}

function Layer({ overlay }: { overlay: Overlay }) {
  const closeThis = useMemo(() => () => close(overlay.id), [overlay.id]);
  return (
    <CloseContext value={closeThis}>
      <Boundary what="The dialog">{overlay.content}</Boundary>
    </CloseContext>
  );
}

export function OverlayHost() {
  const { path } = useLocation();
  const open = useCell(overlays);
  useEffect(() => () => overlays.set([]), [path]);
  return open.map((overlay) => <Layer key={overlay.id} overlay={overlay} />);
}
