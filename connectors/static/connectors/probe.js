// Tries the settings of a connector's form without saving them. What comes of it stands below the form, which keeps
// what was entered, the secrets too.
"use strict";

document.addEventListener("click", async (click) => {
  const button = click.target.closest("button[data-probe]");
  if (!button || button.disabled) {
    return;
  }
  const panel = document.getElementById(button.dataset.panel);
  button.disabled = true;
  panel.setAttribute("aria-busy", "true");
  panel.textContent = "Testing …";
  try {
    const answer = await fetch(button.dataset.probe, {
      method: "POST",
      body: new FormData(button.form),
      redirect: "error",
    });
    if (answer.ok) {
      panel.innerHTML = await answer.text();
    } else {
      panel.textContent = `The test was not run: the server answered ${answer.status}. Load the page again.`;
    }
  } catch {
    panel.textContent = "The test was not run: there was no answer. Check that you are still signed in.";
  } finally {
    button.disabled = false;
    panel.removeAttribute("aria-busy");
    panel.scrollIntoView({ block: "nearest" });
  }
});
