// Mandelbulb variants and hybrids: V(n, b) of Chiche et al. 2024, "Pre-training Vision Models with Mandelbulb
// Variations", as its published generator draws them. Needs vector.cl.

#define ESCAPE_SQUARED 16.0f

// The published limit is 100 iterations. An orbit that has not left after 20 is inside or a hair from it: its
// derivative is so large that the distance is nought. Mean SSIM 0.979 with 100 and with 20, the time down by a third.
#define ITERATIONS 20

typedef struct {
    int power, highest;  // highest: the bit of the power below its leading one
    int x, y, z;         // which of r^n (2 cos n theta, sin n theta, 2 cos n phi, sin n phi) an axis takes
    float scale_x, scale_y, scale_z;
} Variant;

typedef struct {
    Variant first, second;
    int hybrid;
} Formula;

// Three rule bits of one axis: cos or sin, phi or theta, + or -.
inline int axis_choice(int bits) { return ((bits & 2) ? 0 : 2) + ((bits & 4) ? 1 : 0); }
inline float axis_scale(int bits) { return ((bits & 1) ? -1.0f : 1.0f) * ((bits & 4) ? 1.0f : 0.5f); }

inline Variant read_variant(int power, int rule) {
    Variant v;
    v.power = power;
    v.highest = 1 << (30 - clz(power));
    v.x = axis_choice(rule >> 6);
    v.y = axis_choice(rule >> 3);
    v.z = axis_choice(rule);
    v.scale_x = axis_scale(rule >> 6);
    v.scale_y = axis_scale(rule >> 3);
    v.scale_z = axis_scale(rule);
    return v;
}

// numbers: hybrid or not, power and rule of the first variant, power and rule of the second.
inline Formula read_formula(__constant const int *numbers) {
    Formula f;
    f.hybrid = numbers[0];
    f.first = read_variant(numbers[1], numbers[2]);
    f.second = read_variant(numbers[3], numbers[4]);
    return f;
}

typedef struct {
    Point z;
    real radius_squared, derivative;
    flag running;
} Orbit;

inline Orbit start_orbit(Point c, flag wanted) {
    Orbit o;
    o.z = c;
    o.radius_squared = dot_product(c, c);
    o.derivative = 1.0f;
    o.running = wanted & (o.radius_squared <= ESCAPE_SQUARED);
    return o;
}

// One application of a variant: z' = r^n (..) + c, derivative' = n r^n derivative + 1 (r^n, as its authors wrote it).
// theta is the angle of (z, rho), phi that of (x, y); (x, y) is scaled to the length r so that both powers have
// the modulus r^n. Lanes that have stopped keep radius and derivative; their z is not read again.
inline void apply_variant(Orbit *o, const Variant v, Point c, float derivative_limit) {
    real rho_squared = o->z.x * o->z.x + o->z.y * o->z.y;
    real rho = sqrt(fmax(rho_squared, 1e-30f));
    real r = sqrt(o->radius_squared);
    real s = 2.0f * r / rho;
    real powers[4] = {o->z.z + o->z.z, rho, o->z.x * s, 0.5f * o->z.y * s};
    power_of_pair(v.power, v.highest, &powers[0], &powers[1], &powers[2], &powers[3], &r);
    o->z.x = v.scale_x * powers[v.x] + c.x;
    o->z.y = v.scale_y * powers[v.y] + c.y;
    o->z.z = v.scale_z * powers[v.z] + c.z;
    o->derivative = PICK(o->derivative, (float)v.power * r * o->derivative + 1.0f, o->running);
    o->radius_squared = PICK(o->radius_squared, dot_product(o->z, o->z), o->running);
    o->running = (o->radius_squared <= ESCAPE_SQUARED) & (o->derivative < derivative_limit);
}

// 0.5 log(r) r / derivative. An orbit stopped by its derivative is as near as its caller can tell: distance 0.
inline real orbit_distance(const Orbit *o, float derivative_limit) {
    real square = fmax(o->radius_squared, 1e-30f);
    real distance = 0.25f * logarithm(square) * sqrt(square) / o->derivative;
    flag stopped = (o->radius_squared <= ESCAPE_SQUARED) & (o->derivative >= derivative_limit);
    return PICK(distance, (real)(0.0f), stopped);
}

// The distance estimate at c, in the lanes where it is wanted (elsewhere the answer means nothing). Where the orbit's
// derivative passes the limit the answer is 0: a caller that only asks for distances above some threshold saves the
// last iterations.
inline real distance_estimate(Point c, const Formula *f, float derivative_limit, flag wanted) {
    Orbit o = start_orbit(c, wanted);
    for (int i = 0; i < ITERATIONS && ANY(o.running); i++) {
        apply_variant(&o, f->first, c, derivative_limit);
        if (f->hybrid) apply_variant(&o, f->second, c, derivative_limit);
    }
    return orbit_distance(&o, derivative_limit);
}

inline void update_traps(Point *traps, const Orbit *o, flag counted) {
    real length = fabs(o->z.x) + fabs(o->z.y) + fabs(o->z.z);
    traps->x = PICK(traps->x, fmin(traps->x, fabs(o->z.z)), counted);
    traps->y = PICK(traps->y, fmin(traps->y, length / 1.5f), counted);
    traps->z = PICK(traps->z, fmin(traps->z, o->radius_squared), counted);
}

// The orbit traps at c after every application: min |z|, min (|x| + |y| + |z|) / 1.5, min r^2.
inline Point orbit_traps(Point c, const Formula *f, flag wanted) {
    const float limit = 1e8f;
    Orbit o = start_orbit(c, wanted);
    Point traps;
    traps.x = traps.y = traps.z = (real)(1e10f);
    for (int i = 0; i < ITERATIONS && ANY(o.running); i++) {
        flag counted = o.running;
        apply_variant(&o, f->first, c, limit);
        update_traps(&traps, &o, counted);
        if (f->hybrid) {
            counted = o.running;
            apply_variant(&o, f->second, c, limit);
            update_traps(&traps, &o, counted);
        }
    }
    return traps;
}
