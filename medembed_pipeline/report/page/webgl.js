/** The map by WebGL2: all points in one draw call, both models' places as attributes, mixed by a uniform. */
(function (page) {
  "use strict";

  /**
   * @typedef {{size: number, before: Float32Array, after: Float32Array, colours: Uint8Array, looks: Uint8Array,
   *   matrix: Float32Array, mix: number, point: number, flat: boolean, distance: number, arrows: boolean,
   *   floor: number, strength: number, ground: number[], ratio: number}} Scene
   * colours: n x 4; looks: n x 4 (shape, level, front, 0), level 0 dimmed, 1 plain, 2 bright, 3 faint, a
   * larger front lies over a smaller one on a flat map; point: diameter in pixels; strength: opacity of an arrow.
   */

  const POINT_VERTEX = `#version 300 es
precision highp float;
in vec3 before; in vec3 after; in vec4 colour; in vec4 look;
uniform mat4 matrix; uniform float mixing, diameter, distance_, flat_;
out vec4 tint; flat out int shape; out float pixels; flat out float level;
void main() {
  vec4 place = matrix * vec4(mix(before, after, mixing), 1.0);
  level = look.y;
  float size = diameter * (level < 0.5 ? 0.7 : level > 1.5 && level < 2.5 ? 1.35 : 1.0) * (flat_ > 0.5 ? 1.0 : distance_ / place.w);
  float depth = (flat_ > 0.5 ? 0.2 - 0.0015 * look.z : place.z / place.w * 0.3) + (level < 0.5 ? 0.65 : level > 2.5 ? 0.3 : level > 1.5 ? -0.65 : 0.0);
  gl_Position = vec4(place.xy, clamp(depth, -0.99, 0.99) * place.w, place.w);
  pixels = max(size, 2.0) + 1.5;
  gl_PointSize = pixels < 6.0 ? pixels - 1.5 : pixels;
  tint = colour; shape = int(look.x + 0.5);
}`;

  const POINT_FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint; flat in int shape; in float pixels; flat in float level;
uniform vec3 ground;
out vec4 result;
float triangle(vec2 p) { return max(abs(p.x) * 0.866 + p.y * 0.5, -p.y) - 0.52; }
float plus(vec2 p) { vec2 q = abs(p); return min(max(q.x - 0.3, q.y - 0.92), max(q.x - 0.92, q.y - 0.3)); }
float edge(int kind, vec2 p) {
  if (kind == 1) return triangle(p);
  if (kind == 2) return max(abs(p.x), abs(p.y)) - 0.74;
  if (kind == 3) return (abs(p.x) + abs(p.y) - 1.0) * 0.707;
  if (kind == 4) return triangle(-p);
  if (kind == 5) return plus(p);
  if (kind == 6) return plus(vec2(p.x - p.y, p.x + p.y) * 0.707);
  if (kind == 7) return min(triangle(p), triangle(-p));
  if (kind == 13) return max(abs(p.x) * 0.866 + abs(p.y) * 0.5, abs(p.y)) - 0.78;
  return length(p) - 0.88;
}
float opacityOf(float level) { return level < 0.5 ? 0.16 : level > 2.5 ? 0.6 : 1.0; }
void main() {
  // Shapes cannot be told at this size, and a plain square is drawn three times as fast.
  if (pixels < 6.0) { result = vec4(tint.rgb, 1.0) * opacityOf(level); return; }
  vec2 p = (gl_PointCoord * 2.0 - 1.0) * vec2(1.0, -1.0);
  bool hollow = shape >= 8 && shape <= 12;
  int kind = hollow ? (shape == 8 ? 0 : shape - 8) : shape;
  float d = edge(kind, p);
  float soft = 2.0 / pixels;
  if (hollow) { float wide = max(0.16, soft); d = abs(d + wide) - wide; }
  float inside = 1.0 - smoothstep(-soft, soft * 0.5, d);
  float opacity = inside * opacityOf(level);
  if (opacity < 0.03) discard;
  // A thin rim in the colour of the page tells points that touch apart.
  float rim = (hollow || pixels < 7.0 || level < 0.5 || level > 2.5) ? 0.0 : smoothstep(-soft * 1.6, -soft * 0.4, d) * 0.6;
  result = vec4(mix(tint.rgb, ground, rim) * opacity, opacity);
}`;

  const ARROW_VERTEX = `#version 300 es
precision highp float;
in vec3 before; in vec3 after; in vec4 colour; in vec4 look;
uniform mat4 matrix; uniform vec2 window; uniform float floor_, ratio, strength;
out vec4 tint; out float across;
void main() {
  vec4 tail = matrix * vec4(before, 1.0), head = matrix * vec4(after, 1.0);
  vec2 from = tail.xy / tail.w * window * 0.5, to = head.xy / head.w * window * 0.5;
  vec2 along = to - from; float reach = length(along);
  along = reach > 0.001 ? along / reach : vec2(1.0, 0.0);
  vec2 side = vec2(-along.y, along.x);
  float barb = min(reach * 0.5, 9.0 * ratio);
  int corner = gl_VertexID;
  vec2 place; float wide;
  if (corner < 6) {
    bool end = corner == 2 || corner == 4 || corner == 5;
    float hand = (corner == 0 || corner == 2 || corner == 5) ? 1.0 : -1.0;
    place = (end ? to - along * barb * 0.8 : from) + side * hand * (end ? 1.1 : 0.6) * ratio;
    across = hand;
  } else {
    float hand = corner == 6 ? 1.0 : corner == 7 ? -1.0 : 0.0;
    place = corner == 8 ? to : to - along * barb + side * hand * barb * 0.38;
    across = hand * 0.7;
  }
  float moved = distance(before, after);
  float faded = moved <= floor_ ? 0.08 : strength;
  float level = look.y;
  tint = vec4(colour.rgb, faded * (level < 0.5 ? 0.05 : level > 2.5 ? 0.3 : 1.0));
  gl_Position = vec4(place / (window * 0.5), 0.0, 1.0);
}`;

  const ARROW_FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint; in float across; out vec4 result;
void main() {
  float opacity = tint.a * (1.0 - smoothstep(0.5, 1.0, abs(across)));
  result = vec4(tint.rgb * opacity, opacity);
}`;

  function program(gl, vertex, fragment) {
    const made = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
        throw new Error(`The map's shader does not compile: ${gl.getShaderInfoLog(shader)}`);
      }
      gl.attachShader(made, shader);
    }
    ["before", "after", "colour", "look"].forEach((name, place) => gl.bindAttribLocation(made, place, name));
    gl.linkProgram(made);
    const uniforms = {};
    for (const name of ["matrix", "mixing", "diameter", "distance_", "flat_", "ground", "window", "floor_", "ratio", "strength"]) {
      uniforms[name] = gl.getUniformLocation(made, name);
    }
    return { made, uniforms };
  }

  /** Draws a Scene into a canvas. */
  class WebglPainter {
    /** @param {HTMLCanvasElement} canvas; throws where WebGL2 is not there. */
    constructor(canvas, redraw) {
      this.kind = "webgl2";
      this.canvas = canvas;
      const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, powerPreference: "high-performance" });
      if (!gl) throw new Error("no WebGL2");
      this.gl = gl;
      this.prepare();
      canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
      canvas.addEventListener("webglcontextrestored", () => {
        this.prepare();
        redraw();
      });
    }

    prepare() {
      const { gl } = this;
      this.points = program(gl, POINT_VERTEX, POINT_FRAGMENT);
      this.arrows = program(gl, ARROW_VERTEX, ARROW_FRAGMENT);
      this.buffers = Array.from({ length: 4 }, () => gl.createBuffer());
      this.arrays = [0, 1].map((divisor) => {
        const array = gl.createVertexArray();
        gl.bindVertexArray(array);
        this.buffers.forEach((buffer, place) => {
          gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
          gl.enableVertexAttribArray(place);
          if (place < 2) gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
          else gl.vertexAttribPointer(place, 4, gl.UNSIGNED_BYTE, place === 2, 0, 0);
          gl.vertexAttribDivisor(place, divisor);
        });
        return array;
      });
      gl.bindVertexArray(null);
      this.held = [null, null, null, null];
    }

    /** Upload what changed since the last frame; arrays are replaced, never written into. */
    upload(scene) {
      const { gl } = this;
      [scene.before, scene.after, scene.colours, scene.looks].forEach((values, place) => {
        if (this.held[place] === values) return;
        gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[place]);
        gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
        this.held[place] = values;
      });
    }

    /** @param {Scene} scene */
    draw(scene) {
      const { gl } = this;
      if (gl.isContextLost()) return;
      this.upload(scene);
      const { width, height } = this.canvas;
      gl.viewport(0, 0, width, height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      if (scene.arrows) this.drawArrows(scene, width, height);
      gl.enable(gl.DEPTH_TEST);
      gl.depthFunc(gl.LEQUAL);
      const { made, uniforms } = this.points;
      gl.useProgram(made);
      gl.uniformMatrix4fv(uniforms.matrix, false, scene.matrix);
      gl.uniform1f(uniforms.mixing, scene.mix);
      gl.uniform1f(uniforms.diameter, scene.point * scene.ratio);
      gl.uniform1f(uniforms.distance_, scene.distance);
      gl.uniform1f(uniforms.flat_, scene.flat ? 1 : 0);
      gl.uniform3f(uniforms.ground, ...scene.ground);
      gl.bindVertexArray(this.arrays[0]);
      gl.drawArrays(gl.POINTS, 0, scene.size);
      gl.bindVertexArray(null);
    }

    drawArrows(scene, width, height) {
      const { gl } = this;
      const { made, uniforms } = this.arrows;
      gl.disable(gl.DEPTH_TEST);
      gl.useProgram(made);
      gl.uniformMatrix4fv(uniforms.matrix, false, scene.matrix);
      gl.uniform2f(uniforms.window, width, height);
      gl.uniform1f(uniforms.floor_, scene.floor);
      gl.uniform1f(uniforms.ratio, scene.ratio);
      gl.uniform1f(uniforms.strength, scene.strength);
      gl.bindVertexArray(this.arrays[1]);
      gl.drawArraysInstanced(gl.TRIANGLES, 0, 9, scene.size);
    }

    /** Wait until what was drawn is drawn. */
    finish() {
      const pixel = new Uint8Array(4);
      this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, pixel);
    }
  }

  page.webgl = { WebglPainter };
})((globalThis.medembedPage ??= {}));
