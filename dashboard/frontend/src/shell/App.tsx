import { Suspense, useEffect, useRef } from "react";
import { config } from "../config";
import { zone } from "../lib/zone";
import { Mark } from "../ui/icons";
import { IconButton } from "../ui/Button";
import { Empty, Skeleton } from "../ui/Notice";
import { Toasts } from "../ui/toast";
import { READ_ONLY, isViewer } from "./access";
import { Boundary } from "./Boundary";
import { Banners } from "./Banners";
import { type Command, commandGroups, listenToKeys, useCommands } from "./commands";
import { lazyPart } from "./lazyPart";
import { AlertCount } from "./AlertCount";
import { InboxCount } from "./InboxCount";
import { links } from "./links";
import { LiveDot } from "./LiveDot";
import { openOverlay, OverlayHost } from "./overlay";
import { Link, navigate, useLocation, useScrollMemory } from "./router";
import { matchRoute, ROUTES } from "./routes";
import { useTheme } from "./theme";
import "./shell.css";

const help = lazyPart(
  () => import("./Help"),
  (module) => module.Help,
);
const palette = lazyPart(
  () => import("./Palette"),
  (module) => module.Palette,
);

function openHelp(): void {
  openOverlay(
    <Suspense>
      <help.Part groups={commandGroups()} />
    </Suspense>,
  );
}

function openPalette(): void {
  openOverlay(
    <Suspense>
      <palette.Part groups={commandGroups()} />
    </Suspense>,
  );
}

const COMMANDS: readonly Command[] = [
  { id: "page.find", label: "Find anything", icon: "search", keys: ["Ctrl K"], keysOnly: true, run: openPalette },
  { id: "page.utc", label: "Times in UTC", run: () => zone.set("utc") },
  { id: "page.local", label: "Times in local time", run: () => zone.set("local") },
  { id: "page.help", label: "Keyboard shortcuts", icon: "help", keys: ["?"], run: openHelp },
  ...ROUTES.flatMap(({ path, title, nav }) =>
    nav ? [{ id: `go.${path}`, label: `Go to ${title}`, keys: [`g ${nav.key}`], run: () => navigate(path) }] : [],
  ),
];

function ThemeButton() {
  const { theme, next } = useTheme();
  const icon = theme === "auto" ? "auto" : theme === "light" ? "sun" : "moon";
  return (
    <IconButton icon={icon} label={`Theme: ${theme === "auto" ? "as the system" : theme}. Change`} onClick={next} />
  );
}

function TopBar({ current }: { current: string | undefined }) {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the pages do not all fit: the one that is shown is not left at the edge.
    const shown = nav.current?.querySelector<HTMLElement>('[aria-current="page"]');
    if (nav.current && shown)
      nav.current.scrollLeft = shown.offsetLeft - (nav.current.clientWidth - shown.offsetWidth) / 2;
  }, [current]);
  return (
    <header className="topbar">
      <Link to="/" className="brand" aria-label={`${config.title}: all runs`}>
        <Mark />
        <span className="brand-name">{config.title}</span>
      </Link>
      <nav className="nav" aria-label="Pages" ref={nav}>
        {ROUTES.map(({ path, title, nav, preload }) =>
          nav && !nav.hidden ? (
            <Link
              key={path}
              to={path}
              className="nav-link"
              aria-current={current === path ? "page" : undefined}
              onPointerEnter={preload}
            >
              {title}
              {path === links.inbox ? (
                <Boundary what="The inbox's count" quiet>
                  <InboxCount />
                </Boundary>
              ) : null}
              {path === links.alerts ? (
                <Boundary what="The count of alerts" quiet>
                  <AlertCount />
                </Boundary>
              ) : null}
            </Link>
          ) : null,
        )}
      </nav>
      <div className="topbar-end">
        {isViewer() ? (
          <span className="role" title={READ_ONLY}>
            View only
          </span>
        ) : null}
        <Boundary what="The live state" quiet>
          <LiveDot />
        </Boundary>
        <IconButton icon="search" label="Find anything (Ctrl K)" onClick={openPalette} />
        <ThemeButton />
        <IconButton icon="help" label="Keyboard shortcuts" onClick={openHelp} />
      </div>
    </header>
  );
}

export function App() {
  const { path } = useLocation();
  const matched = matchRoute(path);
  const main = useRef<HTMLElement>(null);
  useScrollMemory(main, "main");
  useCommands("Anywhere", COMMANDS);
  useEffect(() => listenToKeys(), []);
  useEffect(() => {
    // A page about one thing names the thing itself, once it is known.
    if (matched?.id === "") document.title = `${matched.route.title} · ${config.title}`;
    else if (!matched) document.title = config.title;
  }, [matched?.route, matched?.id, matched]);
  return (
    <div className="app">
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to content
      </a>
      <TopBar current={matched?.route.under ?? matched?.route.path} />
      <main id="main" className="main" tabIndex={-1} ref={main}>
        <Boundary what="The state of the service" quiet>
          <Banners />
        </Boundary>
        <Boundary what="This view" at={path}>
          {/* The key ends the page that is left at once. Without it React keeps that page, hidden and at work, while the next
              one's code is loading: its timers and keys would still change the address. */}
          <Suspense
            key={matched?.route.path ?? "none"}
            fallback={
              <div className="page">
                <Skeleton rows={8} />
              </div>
            }
          >
            {matched ? <matched.route.Page key={matched.id} id={matched.id} /> : <NoPage />}
          </Suspense>
        </Boundary>
      </main>
      <OverlayHost />
      <Toasts />
    </div>
  );
}

function NoPage() {
  return (
    <Empty title="Page not found" icon="help" whole>
      <Link to="/">All runs</Link>
    </Empty>
  );
}
