import "./styles/base.css"; // first: it names the order of the layers
import "./ui/kit.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { makeQueryClient } from "./api/client";
import { App } from "./shell/App";
import { Boundary } from "./shell/Boundary";
import { applyTheme } from "./shell/theme";

applyTheme();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Boundary what="The page">
        <QueryClientProvider client={makeQueryClient()}>
          <App />
        </QueryClientProvider>
      </Boundary>
    </StrictMode>,
  );
}
