for (const player of document.querySelectorAll(".player")) {
  const words = (name) => player.dataset[name].split(" ");
  const [order, said, places] = [words("order").map(Number), words("said"), words("places")];
  const [image, slider, button] = ["img", "input", "button"].map((tag) => player.querySelector(tag));
  let timer = 0, at = order.indexOf(Number(slider.value));
  const show = (frame) => {
    slider.value = frame;
    image.style.setProperty("--frame", frame);
    player.querySelector(".said").textContent = said[frame];
    player.querySelector(".place").textContent = places[frame];
  };
  const pause = () => { clearTimeout(timer); timer = 0; button.textContent = "\u25B6"; };
  const play = () => {
    at = (at + 1) % order.length;
    const frame = order[at], isEnd = frame === 0 || frame === said.length - 1;
    show(frame);
    button.textContent = "\u275A\u275A";
    timer = setTimeout(play, isEnd ? 700 : 120);
  };
  button.addEventListener("click", () => (timer ? pause() : play()));
  slider.addEventListener("input", () => { pause(); show(Number(slider.value)); at = order.indexOf(Number(slider.value)); });
}
