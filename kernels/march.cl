// The ray marcher: approach -> march -> shade -> shadow -> resolve. Needs the other files. One work item per tile.
//
// A tile is TILE x TILE samples, TILE = 4 << BLOCK_BITS, kept in blocks of 4 x 4 so that a packet of lanes is compact.
// What passes from kernel to kernel lies tile after tile in this order ("tile order"); only colors leave in rows.

#define TILE (4 << BLOCK_BITS)
#define SAMPLES (TILE * TILE)
#define MISS 1e30f

// Starts are found for squares of 32 x 32 samples, whatever the tile, so that all layouts draw one picture.
#define SQUARE 32
#define ACROSS 8
#define BLOCKS (ACROSS * ACROSS)

#define HIT_DISTANCE 0.001f
#define SHADOW_DISTANCE 0.0001f
#define SHADOW_START 1e-5f
#define COARSE_STEPS 200
// Pictures of fewer than 224 samples do without: between so few blocks starts cannot be interpolated.
#define COARSE_NEAR 0.1f
#define MARCH_STEPS 1000
#define SHADOW_STEPS 10000
#define LONGEST_RAY 10.0f

// One ray per block goes ahead and saves the samples their first steps, until it is this many half diagonals of its
// block from the surface. Time and mean SSIM with 8: -11 %, 0.958; with 1: -18 %, 0.946; without: 0.965.
#define COARSE_STOP 8.0f

// Shadow steps are longer than the estimate by this factor: it is at most half of the way to the surface. A quarter of
// the shadow time for 0.001 of SSIM.
#define SHADOW_STRETCH 2.0f

// Surfaces that face away from the light by more than this cosine are in their own shadow: no ray is sent. A quarter
// of the shadow time for 0.006 of SSIM.
#define SELF_SHADOW -0.3f

// Steps that a packet takes before finished rays make room for live ones.
#define BURST 2

// Rays in a list without gaps; `sample` tells where the answer goes.
typedef struct {
    float x[SAMPLES + LANES], y[SAMPLES + LANES], z[SAMPLES + LANES];
    float dx[SAMPLES + LANES], dy[SAMPLES + LANES], dz[SAMPLES + LANES];
    float t[SAMPLES + LANES];
    int sample[SAMPLES + LANES];
    int count;
} Rays;

// scene: camera, forward, side, up, then three colors; 3 floats each.
typedef struct {
    float origin[3], forward[3], side[3], up[3];
} Camera;

inline Camera read_camera(__constant const float *scene) {
    Camera c;
    for (int k = 0; k < 3; k++) {
        c.origin[k] = scene[k];
        c.forward[k] = scene[3 + k];
        c.side[k] = scene[6 + k];
        c.up[k] = scene[9 + k];
    }
    return c;
}

inline flag lane_numbers(void) {
    int numbers[LANES];
    for (int l = 0; l < LANES; l++) numbers[l] = l;
    return LOAD(numbers);
}

// (x, y) in samples from the upper left corner of the whole picture -> unit direction. The shorter side of the picture
// spans [-0.5, 0.5] at distance 1.
inline Point ray_direction(const Camera *c, real x, real y, float2 size) {
    const float side = fmin(size.x, size.y);
    real u = (x - 0.5f * size.x) / side, v = (0.5f * size.y - y) / side;
    Point d;
    d.x = u * c->side[0] + v * c->up[0] + c->forward[0];
    d.y = u * c->side[1] + v * c->up[1] + c->forward[1];
    d.z = u * c->side[2] + v * c->up[2] + c->forward[2];
    return scaled(d, 1.0f / sqrt(dot_product(d, d)));
}

#define COLUMN_IN_TILE(sample) (((((sample) >> 4) & ((1 << BLOCK_BITS) - 1)) << 2) + ((sample) & 3))
#define ROW_IN_TILE(sample) ((((sample) >> (4 + BLOCK_BITS)) << 2) + (((sample) >> 2) & 3))

inline Point sample_direction(const Camera *c, flag sample, int2 corner, float2 size) {
    return ray_direction(c, TO_REAL(COLUMN_IN_TILE(sample) + corner.x) + 0.5f,
                         TO_REAL(ROW_IN_TILE(sample) + corner.y) + 0.5f, size);
}

inline Point camera_point(const Camera *c) {
    Point p;
    p.x = c->origin[0];
    p.y = c->origin[1];
    p.z = c->origin[2];
    return p;
}

// Appends the lanes where `wanted`; answers for sample + lane.
inline void append_rays(Rays *rays, Point p, Point d, real t, int sample, flag wanted) {
    float x[LANES], y[LANES], z[LANES], dx[LANES], dy[LANES], dz[LANES], ts[LANES];
    int keep[LANES];
    STORE(p.x, x);
    STORE(p.y, y);
    STORE(p.z, z);
    STORE(d.x, dx);
    STORE(d.y, dy);
    STORE(d.z, dz);
    STORE(t, ts);
    STORE(wanted, keep);
    for (int l = 0; l < LANES; l++) {
        if (!keep[l]) continue;
        int n = rays->count++;
        rays->x[n] = x[l];
        rays->y[n] = y[l];
        rays->z[n] = z[l];
        rays->dx[n] = dx[l];
        rays->dy[n] = dy[l];
        rays->dz[n] = dz[l];
        rays->t[n] = ts[l];
        rays->sample[n] = sample + l;
    }
}

// Moves the packet at i to the list's new end n, without its finished lanes. Returns the new end.
inline int keep_rays(Rays *rays, int i, int n, Point p, Point d, real t, flag live, float *answers, flag hit) {
    if (ALL(live)) {
        STORE(p.x, rays->x + n);
        STORE(p.y, rays->y + n);
        STORE(p.z, rays->z + n);
        STORE(t, rays->t + n);
        if (n < i) {
            flag sample = LOAD(rays->sample + i);
            STORE(d.x, rays->dx + n);
            STORE(d.y, rays->dy + n);
            STORE(d.z, rays->dz + n);
            STORE(sample, rays->sample + n);
        }
        return n + LANES;
    }
    int kept[LANES], hits[LANES];
    float x[LANES], y[LANES], z[LANES], ts[LANES];
    int valid = min(LANES, rays->count - i);
    STORE(p.x, x);
    STORE(p.y, y);
    STORE(p.z, z);
    STORE(t, ts);
    STORE(live, kept);
    STORE(hit, hits);
    for (int l = 0; l < valid; l++) {
        int sample = rays->sample[i + l];
        if (!kept[l]) {
            answers[sample] = hits[l] ? ts[l] : MISS;
            continue;
        }
        rays->x[n] = x[l];
        rays->y[n] = y[l];
        rays->z[n] = z[l];
        rays->dx[n] = rays->dx[i + l];
        rays->dy[n] = rays->dy[i + l];
        rays->dz[n] = rays->dz[i + l];
        rays->t[n] = ts[l];
        rays->sample[n++] = sample;
    }
    return n;
}

// Marches all rays to the surface (distance estimate below threshold) or out of the escape sphere.
// answers[sample] is the distance along the ray, or MISS.
inline void trace(Rays *rays, const Formula *f, float threshold, float stretch, int steps, float *answers) {
    const float limit = 1.5f / threshold;  // a derivative beyond means a distance below the threshold
    const flag lane = lane_numbers();
    for (int taken = 0; rays->count && taken < steps; taken += BURST) {
        int n = 0;
        for (int i = 0; i < rays->count; i += LANES) {
            Point p = {LOAD(rays->x + i), LOAD(rays->y + i), LOAD(rays->z + i)};
            Point d = {LOAD(rays->dx + i), LOAD(rays->dy + i), LOAD(rays->dz + i)};
            real t = LOAD(rays->t + i);
            flag live = lane < rays->count - i;
            flag hit = lane < 0;
            for (int k = 0; k < BURST && ANY(live); k++) {
                real distance = distance_estimate(p, f, limit, live);
                hit |= live & (distance < threshold);
                live &= distance >= threshold;
                real step = PICK((real)(0.0f), distance * stretch, live);
                t += step;
                p = along(p, d, step);
                live &= dot_product(p, p) <= ESCAPE_SQUARED;
            }
            n = keep_rays(rays, i, n, p, d, t, live, answers, hit & (t < LONGEST_RAY));
        }
        rays->count = n;
    }
    for (int i = 0; i < rays->count; i++) answers[rays->sample[i]] = MISS;
}

// Start distances for a square: one ray per block, all in step with each other, until one of them comes near. The same
// number of steps then stands behind each, so that samples between them start on their own sequence of steps.
inline void coarse_start(const Formula *f, const Camera *c, int2 corner, float2 size, float *start) {
    const float near = COARSE_STOP * 2.8f / fmin(size.x, size.y);
    const flag lane = lane_numbers();
    const Point origin = camera_point(c);
    float distances[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) start[i] = 0.0f;
    for (int k = 0; k < COARSE_STEPS && near < COARSE_NEAR; k++) {
        flag close = lane < 0, around = lane < 0;
        for (int i = 0; i < BLOCKS; i += LANES) {
            flag column = (lane + i) & (ACROSS - 1), row = (lane + i) / ACROSS;
            real x = TO_REAL(column * 4 + corner.x) + 2.0f, y = TO_REAL(row * 4 + corner.y) + 2.0f;
            real t = LOAD(start + i);
            Point p = along(origin, ray_direction(c, x, y, size), t);
            flag inside = dot_product(p, p) <= ESCAPE_SQUARED;
            real distance = distance_estimate(p, f, GRADIENT_LIMIT, inside);
            close |= inside & (distance < near * t);
            around |= inside;
            STORE(distance, distances + i);
        }
        if (!ANY(around)) {
            for (int i = 0; i < BLOCKS; i++) start[i] = MISS;
            return;
        }
        if (ANY(close)) return;
        for (int i = 0; i < BLOCKS; i++) start[i] += distances[i];
    }
}

// Start of the sample (x, y) of the band: between the four nearest blocks of its square, beyond them at its border.
inline float interpolated_start(__global const float *starts, int squares, int x, int y) {
    __global const float *s = starts + (y / SQUARE * squares + x / SQUARE) * BLOCKS;
    x %= SQUARE;
    y %= SQUARE;
    int u = clamp((x - 2) / 4, 0, ACROSS - 2), v = clamp((y - 2) / 4, 0, ACROSS - 2);
    float a = 0.25f * (x - 1.5f) - u, b = 0.25f * (y - 1.5f) - v;
    s += v * ACROSS + u;
    float top = s[0] + a * (s[1] - s[0]), bottom = s[ACROSS] + a * (s[ACROSS + 1] - s[ACROSS]);
    return top + b * (bottom - top);
}

// frame: width and height of the whole picture in samples, first row and number of rows of this band of it.
// The tile of this work item: its number, and its corner in samples.
inline int tile_number(void) { return get_global_id(1) * get_global_size(0) + get_global_id(0); }
inline int2 tile_corner(int first_row) {
    return (int2)(get_global_id(0) * TILE, get_global_id(1) * TILE + first_row);
}

#if LANES > 1  // the lanes are ours: keep the compiler from making its own out of work items
#define ONE_TILE __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(real)))
#else
#define ONE_TILE
#endif

// starts: BLOCKS distances for each square of the band; one work item per square.
__kernel ONE_TILE void approach(__constant const int *numbers, __constant const float *scene, int4 frame,
                                __global float *starts) {
    Formula f = read_formula(numbers);
    Camera c = read_camera(scene);
    const int2 corner = (int2)(get_global_id(0) * SQUARE, get_global_id(1) * SQUARE + frame.z);
    float start[BLOCKS];
    coarse_start(&f, &c, corner, (float2)(frame.x, frame.y), start);
    for (int i = 0; i < BLOCKS; i++) starts[tile_number() * BLOCKS + i] = start[i];
}

// distances: along the ray to the surface, or MISS; tile order.
__kernel ONE_TILE void march(__constant const int *numbers, __constant const float *scene, int4 frame,
                             __global const float *starts, __global float *distances) {
    Formula f = read_formula(numbers);
    Camera c = read_camera(scene);
    const Point origin = camera_point(&c);
    const flag lane = lane_numbers();
    const float2 size = (float2)(frame.x, frame.y);
    const int2 corner = tile_corner(frame.z);
    const int squares = (frame.x + SQUARE - 1) / SQUARE;
    float answers[SAMPLES];
    Rays rays;
    rays.count = 0;
    for (int i = 0; i < SAMPLES; i += LANES) {
        float ts[LANES];
        for (int l = 0; l < LANES; l++) {
            int x = COLUMN_IN_TILE(i + l) + corner.x, y = ROW_IN_TILE(i + l) + corner.y - frame.z;
            ts[l] = x < frame.x && y < frame.w ? interpolated_start(starts, squares, x, y) : MISS;
        }
        real t = LOAD(ts);
        if (!ANY(t < MISS)) continue;
        Point d = sample_direction(&c, lane + i, corner, size);
        append_rays(&rays, along(origin, d, t), d, t, i, t < MISS);
    }
    for (int i = 0; i < SAMPLES; i++) answers[i] = MISS;
    trace(&rays, &f, HIT_DISTANCE, 1.0f, MARCH_STEPS, answers);
    for (int i = 0; i < SAMPLES; i++) distances[tile_number() * SAMPLES + i] = answers[i];
}

// normals: 3 planes of unit vectors, 0 where nothing is hit; colors: 3 planes without the light's share; tile order.
__kernel ONE_TILE void shade(__constant const int *numbers, __constant const float *scene, int4 frame,
                             __global const float *distances, __global float *normals,
                             __global float *colors) {
    Formula f = read_formula(numbers);
    Camera c = read_camera(scene);
    __constant const float *palette = scene + 12;
    const Point origin = camera_point(&c);
    const flag lane = lane_numbers();
    const int plane = SAMPLES * get_global_size(0) * get_global_size(1);
    for (int i = 0; i < SAMPLES; i += LANES) {
        int at = tile_number() * SAMPLES + i;
        real t = LOAD(distances + at);
        flag hit = t < MISS;
        Point n = {(real)(0.0f), (real)(0.0f), (real)(0.0f)};
        if (ANY(hit)) {
            Point d = sample_direction(&c, lane + i, tile_corner(frame.z), (float2)(frame.x, frame.y));
            Point p = along(origin, d, t);
            n = surface_normal(p, &f, hit);
            Point w = scaled(trap_weights(orbit_traps(p, &f, hit)), brightness(p, n));
            for (int k = 0; k < 3; k++)
                STORE(palette[k] * w.x + palette[3 + k] * w.y + palette[6 + k] * w.z, colors + k * plane + at);
        }
        STORE(PICK((real)(0.0f), n.x, hit), normals + at);
        STORE(PICK((real)(0.0f), n.y, hit), normals + plane + at);
        STORE(PICK((real)(0.0f), n.z, hit), normals + 2 * plane + at);
    }
}

// pixels: rows of RGB (and 255) per sample; the background where nothing is hit.
__kernel ONE_TILE void shadow(__constant const int *numbers, __constant const float *scene, int4 frame,
                              __global const float *distances, __global const float *normals,
                              __global const float *colors, int background, __global uchar4 *pixels) {
    Formula f = read_formula(numbers);
    Camera c = read_camera(scene);
    const Point origin = camera_point(&c);
    const flag lane = lane_numbers();
    const int plane = SAMPLES * get_global_size(0) * get_global_size(1);
    const int2 corner = tile_corner(frame.z);
    float answers[SAMPLES];
    Rays rays;
    rays.count = 0;
    for (int i = 0; i < SAMPLES; i += LANES) {
        int at = tile_number() * SAMPLES + i;
        real t = LOAD(distances + at);
        flag hit = t < MISS;
        if (!ANY(hit)) continue;
        Point d = sample_direction(&c, lane + i, corner, (float2)(frame.x, frame.y));
        Point n = {LOAD(normals + at), LOAD(normals + plane + at), LOAD(normals + 2 * plane + at)};
        Point start = along(along(origin, d, t), n, (real)(SHADOW_START));
        Point light = towards_light(start);
        append_rays(&rays, start, light, (real)(0.0f), i, hit & (dot_product(light, n) > SELF_SHADOW));
    }
    for (int i = 0; i < SAMPLES; i++) answers[i] = 0.0f;
    trace(&rays, &f, SHADOW_DISTANCE, SHADOW_STRETCH, SHADOW_STEPS, answers);

    for (int i = 0; i < SAMPLES; i += LANES) {
        int at = tile_number() * SAMPLES + i;
        flag hit = LOAD(distances + at) < MISS;
        real light = PICK((real)(0.0f), (real)(LIT), LOAD(answers + i) >= MISS);
        float rgb[3][LANES];
        for (int k = 0; k < 3; k++) {
            real value = rint(clamp(LOAD(colors + k * plane + at) + light, 0.0f, 1.0f) * 255.0f);
            STORE(PICK((real)(background), value, hit), rgb[k]);
        }
        for (int l = 0; l < LANES; l++) {
            int column = COLUMN_IN_TILE(i + l) + corner.x, row = ROW_IN_TILE(i + l) + corner.y - frame.z;
            if (column < frame.x && row < frame.w)
                pixels[row * frame.x + column] = (uchar4)(rgb[0][l], rgb[1][l], rgb[2][l], 255);
        }
    }
}

// From samples to pixels of factor x factor samples: the depth of the nearest hit (infinite without a hit), the mean of
// the unit normals of all hits (0 without), and the number of hits. One sample's normal is chance where the surface is
// rougher than a pixel.
__kernel void resolve(int4 frame, int factor, __global const float *distances, __global const float *normals,
                      __global float *depths, __global float *pixel_normals, __global uchar *hits) {
    int column = get_global_id(0), row = get_global_id(1), columns = get_global_size(0);
    int tiles = (frame.x + TILE - 1) / TILE, plane = tiles * ((frame.w + TILE - 1) / TILE) * SAMPLES;
    int count = 0, pixel = row * columns + column;
    float depth = INFINITY;
    float sum[3] = {0.0f, 0.0f, 0.0f};
    for (int k = 0; k < factor * factor; k++) {
        int x = column * factor + k % factor, y = row * factor + k / factor;
        int u = x % TILE, v = y % TILE;
        int inside = (((v >> 2 << BLOCK_BITS) + (u >> 2)) << 4) + ((v & 3) << 2) + (u & 3);
        int at = ((y / TILE) * tiles + x / TILE) * SAMPLES + inside;
        if (!(distances[at] < MISS)) continue;
        depth = fmin(depth, distances[at]);
        for (int axis = 0; axis < 3; axis++) sum[axis] += normals[axis * plane + at];
        count++;
    }
    depths[pixel] = depth;
    hits[pixel] = count;
    for (int axis = 0; axis < 3; axis++) pixel_normals[pixel * 3 + axis] = sum[axis] / max(count, 1);
}
