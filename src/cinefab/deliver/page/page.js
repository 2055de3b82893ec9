"use strict";
// Everything works without this: it adds frame stepping, and jumps from the timeline to the film.
(() => {
  // Print closes nothing that belongs on paper.
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details[data-print]")) part.open = true;
  });
  const film = document.getElementById("player");
  if (!film) return;
  const poster = document.querySelector(".poster");
  if (poster) film.poster = poster.src;
  const rate = Number(document.body.dataset.fps) || 24;
  const frames = Number(document.body.dataset.frames) || 0;
  const controls = document.querySelector(".controls");
  const shown = document.getElementById("timecode");
  const heads = document.querySelectorAll(".playhead");
  controls.hidden = false;

  const two = (number) => String(number).padStart(2, "0");
  const frameNow = () => Math.floor(film.currentTime * rate + 0.001);
  const show = () => {
    const whole = Math.round(rate), frame = frameNow();
    const seconds = Math.floor(frame / whole);
    shown.value = [Math.floor(seconds / 60), seconds % 60, frame % whole].map(two).join(":");
    const at = frames ? `${Math.min(100, (100 * film.currentTime * rate) / frames)}%` : "0";
    for (const head of heads) {
      head.setAttribute("x1", at);
      head.setAttribute("x2", at);
      head.setAttribute("visibility", "visible");
    }
  };
  // The middle of a frame, so that rounding never shows its neighbour.
  const step = (by) => {
    film.pause();
    film.currentTime = Math.max(0, (frameNow() + by + 0.5) / rate);
  };
  const speed = (factor) => { film.playbackRate = factor; };
  const actions = {
    back: () => step(-1),
    ahead: () => step(1),
    play: () => (film.paused ? film.play() : film.pause()),
    half: () => speed(0.5),
    normal: () => speed(1),
    double: () => speed(2),
  };
  const keys = { ",": "back", ".": "ahead", " ": "play", 1: "half", 2: "normal", 3: "double" };

  controls.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) actions[button.dataset.do]();
  });
  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest("button, a, video, summary, input");
    if (event.ctrlKey || event.metaKey || event.altKey || (busy && event.key === " ")) return;
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    actions[action]();
  });
  document.addEventListener("click", (event) => {
    const place = event.target.closest("[data-seek]");
    if (!place) return;
    event.preventDefault();
    film.currentTime = Number(place.dataset.seek) + 0.5 / rate;
    const box = film.getBoundingClientRect();
    if (box.bottom < 80 || box.top > innerHeight - 80) film.scrollIntoView({ block: "nearest" });
  });
  film.addEventListener("play", () => {
    const tick = () => { show(); if (!film.paused) requestAnimationFrame(tick); };
    tick();
  });
  for (const event of ["seeked", "timeupdate", "loadedmetadata"]) {
    film.addEventListener(event, show);
  }
})();
